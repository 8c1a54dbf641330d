"""Posterior: the distribution p(x | y) of a trained network at one observation y, or at many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import PositionError, SpecError, unknown
from workbench.core.lazy import torch
from workbench.core.markup import Shown, values_text, variables_text
from workbench.core.named_values import OBSERVATION, named_values, number_array, stacked
from workbench.core.numbers import check_memory, checked_seed, plain, whole_number
from workbench.core.observation import checked_rows
from workbench.inference import averages
from workbench.inference.column_values import check_values
from workbench.inference.dataframe import to_dataframe
from workbench.inference.datatree import CHAINS, label_density, label_draws, label_statistic, to_datatree
from workbench.inference.finite_draws import tell

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.inference.fitted_model import FittedModel

#: Draws behind a mean, a quantile or a summary, and kinds of answer that `Posterior.sample` gives.
DRAWS, KINDS = 4000, ("dataset", "dataframe", "tensor")
#: Rows per evaluation of a density, and largest number of drawn values that are kept for the next question.
_ROWS, _KEPT = 16_384, 5_000_000


@public
class Posterior(Shown):
    """The distribution p(x | y) of a trained network, at one observation or at many at once.

    Parameters
    ----------
    fitted : the network in data units.
    observation : the M values of y, in the order of its variables, or by name in any order: a mapping, a
        Series, a table with one row, a Dataset or a DataArray. Many at once are an array (k, M), or k values
        for each name: answers then have a dimension ``observation``, and ``posterior[i]`` is the posterior at
        one of them.

    ``concerns`` lists reasons to doubt this posterior, as sentences. Raises `SpecError` for a wrong number of
    values, missing or unknown names, and values that are not finite.
    """

    def __init__(self, fitted: FittedModel, observation: Any) -> None:
        if not fitted.y:
            raise SpecError(
                "This model has no observation, so that it has no posterior",
                expected="run.sample(n), which draws from the density of x",
                found="a model that was trained on x alone",
            )
        self.fitted = fitted
        self.observations, self.many = checked_rows(observation, fitted.y)
        # the model has a y; no overflow in its precision
        fitted.standardised_observation(self.observations, len(self.observations))
        check_values(torch.from_numpy(self.observations), fitted.y)
        self.concerns = self._concerns()
        self._draws: tuple[tuple[int, int], Tensor] | None = None
        self._redrawn = 0

    def facts(self) -> dict[str, object]:
        """Return the variables with their units, and the observation with its names."""
        return {
            "variables": variables_text(self.fitted.x),
            "observation": values_text(self.fitted.y, self.observation),
        }

    def notes(self) -> tuple[str, ...]:
        """Return the reasons to doubt this posterior."""
        return tuple(self.concerns)

    @property
    def observation(self) -> tuple[Any, ...]:
        """The M values of y as floats; where there are many observations, a tuple of such tuples."""
        rows = [tuple(row) for row in self.observations.tolist()]
        return tuple(rows) if self.many else rows[0]

    def _concerns(self) -> tuple[str, ...]:
        rows = self.observations.tolist()
        doubts = [(i, sentences) for i, row in enumerate(rows) if (sentences := self.fitted.concerns(row))]
        if not self.many or not doubts:
            return doubts[0][1] if doubts else ()
        first, sentences = doubts[0]
        count = f"{len(doubts)} of {len(rows)} observations give reason to doubt their posterior"
        return (f"{count}; the first of them is number {first}: {' '.join(sentences)}",)

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self.observations)

    def __getitem__(self, index: int | slice) -> Posterior:
        """Return the posterior at one of many observations, or at a slice of them."""
        index = plain(index)
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise PositionError(
                "There is no observation at this position", expected=f"0 to {len(self) - 1}", found=str(index)
            )
        rows = self.observations[index]
        part = Posterior(self.fitted, rows)
        part.many = isinstance(index, slice)
        return part

    def __iter__(self) -> Iterator[Posterior]:
        return (self[i] for i in range(len(self)))

    def to(self, device: str | torch.device) -> Posterior:
        """Return the same posterior, computed on another device: "cpu", "cuda", "cuda:N", "mps" or "auto"."""
        return Posterior(self.fitted.to(device), self.observations if self.many else self.observation)

    # ---- draws
    @overload
    def sample(self, n: int = ..., *, seed: int = ..., as_: Literal["dataset"] = ...) -> xr.Dataset: ...
    @overload
    def sample(self, n: int = ..., *, seed: int = ..., as_: Literal["tensor"]) -> Tensor: ...
    @overload
    def sample(self, n: int = ..., *, seed: int = ..., as_: Literal["dataframe"]) -> pd.DataFrame: ...
    def sample(
        self, n: int = 1000, *, seed: int = 0, as_: str = "dataset"
    ) -> xr.Dataset | pd.DataFrame | Tensor:
        """Draw n samples for each observation; all observations are drawn in one batch.

        Parameters
        ----------
        seed : same seed, same draws.
        as_ : "dataset" for a Dataset with one data variable per parameter, with its unit, along the dimension
            ``draw``, or (observation, draw) with the observed values as coordinates. It holds numbers;
            of labels the attribute ``labels`` is the list, and ``xarray.decode_cf`` turns dates into dates.
            "dataframe" for a pandas table with labels and dates in its columns; "tensor" for a float64
            tensor (n, D), or (k, n, D) for k observations.

        Draws that are not finite are drawn anew, with a warning; the attribute ``redrawn`` counts them.
        """
        if as_ not in KINDS:
            raise unknown("kind of draws", str(as_), KINDS)
        draws = self._sample(n, seed)
        if as_ == "tensor":
            return draws if self.many else draws[0]
        if as_ == "dataframe":
            return to_dataframe(draws.cpu().numpy(), self.fitted.x, many=self.many)
        data = label_draws(draws, self.fitted.x, self.observations, self.fitted.y, many=self.many)
        return data.assign_attrs(redrawn=self._redrawn) if self._redrawn else data

    def _sample(self, n: int, seed: int) -> Tensor:
        """Draw (k, n, D); the latest draws are kept, so that several questions share them."""
        n, seed = whole_number(n, "number of draws"), checked_seed(seed)
        check_memory(n * len(self.observations), len(self.fitted.x) + len(self.fitted.y), "draws")
        if self._draws is not None and self._draws[0] == (n, seed):
            return self._draws[1].clone()
        generator = torch.Generator(device=self.fitted.model.device).manual_seed(seed)
        count = len(self.observations)
        rows = self.observations if count == 1 else np.repeat(self.observations, n, axis=0)
        draws, self._redrawn = self.fitted.sample_and_count(count * n, rows, generator)
        tell(self._redrawn, count * n)
        draws = draws.reshape(count, n, -1)
        self._draws = ((n, seed), draws.clone()) if draws.numel() <= _KEPT else None
        return draws

    def to_datatree(self, n: int = 1000, *, chains: int = CHAINS, seed: int = 0) -> xr.DataTree:
        """Draw n samples and return them with all related quantities in the groups of ArviZ.

        The groups are posterior, sample_stats, observed_data and, where the problem can give them, prior,
        prior_predictive and posterior_predictive. Of many observations every group has a dimension
        ``observation`` after chain and draw. `workbench.export.write_datatree` writes the tree, and so do
        xarray's own ``to_netcdf`` and ``to_zarr``; ``arviz.InferenceData.from_datatree(tree)`` opens it in
        ArviZ 0.23, and arviz-stats and arviz-plots take it as it is.
        """
        return to_datatree(
            self, whole_number(n, "number of draws"), chains=plain(chains), seed=checked_seed(seed)
        )

    # ---- density
    def log_prob(self, x: Any) -> Any:
        """Return log p(x | y) in nats, for x in data units; -inf outside the bounds of x.

        An angle may be any of those that differ by whole periods. Of whole numbers it is the density of the
        number plus uniform noise in (-1/2, 1/2): its exponential at a whole number k approximates the
        probability of k, its integral from k - 1/2 to k + 1/2.

        Parameters
        ----------
        x : array or tensor (n, D) in the order of the variables; or by name in any order: a mapping or table
            of n values for each, or a Dataset, such as that of `sample`. Of many observations, (n, D) is
            evaluated at each of them, and (k, n, D), or a Dataset with dimension ``observation``, belongs to
            them one by one.

        Returns
        -------
        A tensor (n,), or (k, n) for k observations; for a Dataset a DataArray of its dimensions.
        """
        source = named_values(x, self.fitted.x)
        if source is None:
            values = number_array(x)
            if values is None:
                raise SpecError("x is not made of numbers", expected="an array (n, D)", found=repr(x)[:80])
            values = np.atleast_2d(values)
            dims: tuple[str, ...] = ("",) * (values.ndim - 1)
        else:
            values, dims = stacked(source, self.fitted.x, subject="x")
        has_names = hasattr(x, "dims") and all(dims)
        if not has_names:
            values = values.reshape(1, -1) if values.ndim == 1 else values
            if self.many and values.ndim == 3:
                dims = (OBSERVATION, "")
            elif values.ndim != 2:
                form = "(n, D), or (k, n, D) for k observations" if self.many else "(n, D)"
                raise SpecError("x has the wrong shape", expected=form, found=str(values.shape))
        if values.shape[-1] != (width := len(self.fitted.x)):
            raise SpecError("x has the wrong shape", expected=f"{width} columns", found=str(values.shape))
        log_prob = self._log_prob(values, dims)
        if not has_names:
            return log_prob
        sizes = dict(zip(dims, values.shape, strict=False))
        order = dims if not self.many or OBSERVATION in sizes else (OBSERVATION, *dims)
        if OBSERVATION in dims and self.many:
            order = (OBSERVATION, *(d for d in dims if d != OBSERVATION))
        return label_density(log_prob, order, source.coords if source else {})

    def _log_prob(self, values: np.ndarray, dims: Sequence[str]) -> Tensor:
        """Return log p (…), or (k, …) for many observations, of values (…, D) with named dimensions "…"."""
        count = len(self.observations)
        axis = list(dims).index(OBSERVATION) if self.many and OBSERVATION in dims else None
        if axis is None:
            values = np.broadcast_to(values[None], (count, *values.shape))
        else:
            values = np.moveaxis(values, axis, 0)
        if len(values) != count:
            raise SpecError(
                "x does not belong to these observations",
                expected=f"{count} observations",
                found=str(len(values)),
            )
        shape = values.shape[:-1]
        values = _in_periods(values, self.fitted.x)
        points = torch.tensor(values.reshape(-1, values.shape[-1]))
        rows = np.repeat(self.observations, len(points) // max(count, 1), axis=0)
        with torch.no_grad():
            parts = [
                self.fitted.log_prob(points[i : i + _ROWS], rows[i : i + _ROWS])
                for i in range(0, len(points), _ROWS)
            ]
        result = torch.cat(parts) if parts else points.new_zeros(0)
        return result.reshape(shape if self.many else shape[1:])

    def map(self, *, seed: int = 0) -> xr.Dataset:
        """Find the most probable x, the maximum of the network's density within the bounds of x.

        The search climbs with gradients from several of the best draws. Returns one number per parameter (a
        label for a category that has labels), or one per observation; attributes are ``log_prob``, its
        log-density in nats, and ``starts_agreeing``, how many starts reached it. Raises `SpecError`
        for a model without a density.
        """
        from workbench.inference.maximum import highest_density

        draws = self._sample(averages.STARTING_DRAWS, seed)
        results = [
            highest_density(self.fitted, row, own)
            for row, own in zip(self.observations.tolist(), draws, strict=True)
        ]
        data = label_statistic(torch.tensor(np.array([r.x for r in results])), self.fitted.x, many=self.many)
        values, agreeing = [r.log_prob for r in results], [r.agreeing for r in results]
        if not self.many:
            return data.assign_attrs(log_prob=values[0], starts_agreeing=agreeing[0])
        return data.assign_attrs(log_prob=values, starts_agreeing=agreeing)

    # ---- statistics
    def mean(self, n: int = DRAWS, *, seed: int = 0) -> xr.Dataset:
        """Return the mean of n draws: one number per parameter, or one per observation.

        The mean of a cyclic variable is its circular mean; a category has none, and is NaN: `summary` has
        the probabilities of categories.
        """
        return label_statistic(
            averages.mean(self._sample(n, seed), self.fitted.x), self.fitted.x, many=self.many
        )

    def std(self, n: int = DRAWS, *, seed: int = 0) -> xr.Dataset:
        """Return the standard deviation of n draws: one number per parameter, or one per observation.

        Cyclic variables deviate from their circular mean; a category has none, and is NaN.
        """
        return label_statistic(
            averages.std(self._sample(n, seed), self.fitted.x), self.fitted.x, many=self.many
        )

    def quantile(self, q: Any, n: int = DRAWS, *, seed: int = 0) -> xr.Dataset:
        """Return quantiles of n draws, for a probability q or a sequence of them (dimension ``quantile``).

        Those of whole numbers are whole. Those of a cyclic variable are taken around its circular mean and
        lie in its period, so that the upper one may be the smaller number. A category has none, and is NaN,
        with a warning; where all variables are categories, `SpecError` is raised.
        """
        levels = number_array(q)
        if levels is None or levels.ndim > 1 or not ((levels >= 0) & (levels <= 1)).all():
            raise SpecError(
                "A quantile belongs to a probability", expected="numbers from 0 to 1", found=repr(q)
            )
        averages.tell_categories(self.fitted.x)
        values = averages.quantile(self._sample(n, seed), self.fitted.x, levels)
        return label_statistic(values, self.fitted.x, many=self.many, levels=levels)

    def summary(self, n: int = DRAWS, *, seed: int = 0, **options: Any) -> pd.DataFrame:
        """Return the table of ArviZ's ``summary`` for n draws: one row per parameter.

        A categorical parameter has a row ``species[oak]`` for each category, whose mean is its probability.

        Of many observations the rows are labelled (observation, variable). ``attrs["units"]`` of the table
        holds the units.

        Parameters
        ----------
        options : those of `arviz_stats.summary`, such as ``ci_prob`` (0.89), ``ci_kind`` ("eti" or "hdi"),
            ``kind`` ("stats" by default; "all" adds diagnostics of Markov chains, which independent draws
            always pass) and ``round_to``.
        """
        return averages.summary(self, self._sample(n, seed), options)

    def coverage(self, x: Any, *, levels: Any = averages.LEVELS, n: int = 1000, seed: int = 0) -> xr.Dataset:
        """Return how many of the true x, one for each observation, lie in the posterior's central intervals.

        Parameters
        ----------
        x : true values (k, D) in the order of the variables, or by name.
        levels : probabilities of the intervals (L,).

        Returns
        -------
        One variable (level,) per parameter: the share of observations whose interval holds the truth, which
        equals the level for a calibrated posterior. Raises `SpecError` for another number of true values.
        """
        truth, _ = checked_rows(x, self.fitted.x, noun="true x")
        if len(truth) != len(self.observations):
            raise SpecError(
                "Coverage needs the true x of each observation",
                expected=f"{len(self.observations)} rows",
                found=str(len(truth)),
            )
        return averages.coverage(self._sample(n, seed), truth, self.fitted.x, levels, checked_seed(seed))

    def plot(self, n: int = DRAWS, *, seed: int = 0, **options: Any) -> Any:
        """Draw the corner plot of n draws, with 50 % and 90 % regions of each pair, as a HoloViews figure.

        Raises `SpecError` for many observations. ``options`` are those of `workbench.plots.corner`.
        """
        if self.many:
            raise SpecError(
                "A corner plot shows one posterior",
                expected="one observation",
                found=f"{len(self)}",
                suggestion="choose one, as in posterior[0].plot()",
            )
        # plots stand above inference; a caller without a screen does not need them
        corner = import_module("workbench.plots").corner
        return corner(self.sample(n, seed=seed), **options)


def _in_periods(values: np.ndarray, variables: Sequence[Variable]) -> np.ndarray:
    """Return values (…, D) with those of cyclic variables moved by whole periods into their range."""
    columns = [
        v.low + np.remainder(values[..., i] - v.low, v.period) if v.period else values[..., i]
        for i, v in enumerate(variables)
    ]
    return np.stack(columns, -1) if any(v.period for v in variables) else values
