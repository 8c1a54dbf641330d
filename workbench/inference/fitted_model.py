"""FittedModel: a trained network with its standardisation and its variables, in the data's own units.

This is what leaves a run: the exporter saves it, diagnostics judge it, and its samples come out labelled.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import torch
import xarray as xr
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.errors import SpecError
from workbench.core.model import Model
from workbench.core.variable import Variable, named
from workbench.inference.datatree import CHAINS, to_datatree
from workbench.inference.out_of_distribution import Typicality, UnusualObservationWarning, concerns
from workbench.inference.standardisation import Standardisation
from workbench.problems.base import Problem

#: Numbers that a processor's cache holds beside the weights: what the widest layer makes of the draws that
#: pass at once should be no more. That makes networks up to twice as fast as tens of thousands at once.
_IN_CACHE = 2**18
_LEAST_CHUNK, _MOST_CHUNK = 1024, 16_384
#: Elsewhere many, since each pass costs a launch.
_LARGE_CHUNK = 32_768
#: How often draws outside the bounds are drawn anew.
_TRIES = 100


class FittedModel:
    """Model and units. All tensors in and out are in data units and on the model's device.

    Parameters
    ----------
    model : the network, in standardised units.
    standardisation : shift and scale of x and y.
    x, y : the variables, in the order of the columns.
    manifest : what is known of its making (the experiment's table, iteration), JSON-ready.
    typicality : what the training saw of observations, where that is at hand.
    problem : what it was trained on, where that is at hand.
    """

    def __init__(
        self,
        model: Model,
        standardisation: Standardisation,
        x: Sequence[Variable],
        y: Sequence[Variable],
        manifest: dict | None = None,
        *,
        typicality: Typicality | None = None,
        problem: Problem | None = None,
    ) -> None:
        self.model = model
        self.standardisation = standardisation.to(model.device, model.dtype)
        self.x, self.y, self.manifest = tuple(x), tuple(y), dict(manifest or {})
        self.typicality, self.known_problem = typicality, problem

    @property
    def capabilities(self) -> frozenset[str]:
        return self.model.capabilities

    def _tensor(self, values, variables: Sequence[Variable], what: str) -> Tensor:
        columns = len(variables)
        tensor = torch.as_tensor(values, dtype=self.model.dtype, device=self.model.device)
        if tensor.ndim == 1:
            tensor = tensor[None, :]
        if tensor.ndim != 2 or tensor.shape[1] != columns:
            raise SpecError(
                f"The {what} has the wrong shape",
                expected=f"(n, {columns}): {named(variables)}",
                found=str(tuple(tensor.shape)),
            )
        if not torch.isfinite(tensor).all():
            row, column = (~torch.isfinite(tensor)).nonzero()[0].tolist()
            raise SpecError(
                f"The {what} holds values that are not finite",
                expected=f"a number for {variables[column].name}",
                found=f"{tensor[row, column].item()}" + (f" in row {row}" if len(tensor) > 1 else ""),
                suggestion="leave such rows out: the network was trained on complete ones",
            )
        return tensor

    def _observation(self, y, n: int) -> Tensor | None:
        """y as (n, M) standardised rows, one given row n times; None for a model without y."""
        if not self.y:
            if y is not None and len(y):
                raise SpecError("This model has no observation", expected="no y", found=f"{len(y)} values")
            return None
        if y is None:
            raise SpecError(
                "This model needs an observation",
                expected=f"{len(self.y)} values ({named(self.y)})",
                found="none",
            )
        rows = self._tensor(y, self.y, "observation")
        return self.standardisation.y_in(rows.expand(n, -1) if len(rows) == 1 else rows)

    def latent(self, x, y=None) -> tuple[Tensor, Tensor | None]:
        """x (n, D) -> z (n, K) and log|det ∂z/∂x| (n,), counting the units' volume; None where the model
        knows of none. Raises `SpecError` where there is no latent code."""
        if Capability.LATENT not in self.capabilities:
            raise SpecError(
                "The latent code of data was asked for",
                found="a model that draws, but has no code of data",
                suggestion="use its samples instead",
            )
        x = self._tensor(x, self.x, "x")
        z, log_det = self.model.latent(self.standardisation.x_in(x), self._observation(y, len(x)))
        return z, None if log_det is None else log_det - self.standardisation.scale_x.log().sum()

    def inverse(self, z: Tensor, y=None) -> tuple[Tensor, Tensor | None]:
        """z (n, K) -> x (n, D) and log|det ∂x/∂z| (n,), or None where the model knows of none."""
        x, log_det = self.model.inverse(z, self._observation(y, len(z)))
        volume = None if log_det is None else log_det + self.standardisation.scale_x.log().sum()
        return self.standardisation.x_out(x), volume

    def log_prob(self, x, y=None) -> Tensor:
        """log p(x | y) (n,) in nats of the data's units. Raises `SpecError` where there is no density."""
        if Capability.DENSITY not in self.capabilities:
            raise SpecError(
                "The density of this model was asked for",
                found="a model without a tractable density",
                suggestion="use samples instead",
            )
        x = self._tensor(x, self.x, "x")
        value = self.model.log_prob(self.standardisation.x_in(x), self._observation(y, len(x)))
        return value - self.standardisation.scale_x.log().sum()

    def evidence_lower_bound(self, x, y, noise: Tensor) -> Tensor:
        """A lower bound of log p(x | y) (n,) in nats of the data's units, on average over standard normal
        noise (n, K) for the encoder's codes; further columns of ``noise`` are not used."""
        if Capability.EVIDENCE not in self.capabilities:
            raise SpecError("A bound of the likelihood was asked for", found="a model without an encoder's")
        x = self._tensor(x, self.x, "x")
        used = noise[:, : self.model.code_features]
        y = self._observation(y, len(x))
        likelihood, divergence = self.model.evidence(self.standardisation.x_in(x), y, used)
        return likelihood - divergence - self.standardisation.scale_x.log().sum()

    def predict(self, x) -> Tensor:
        """The network's own y (n, M) for x, for models that predict it."""
        if Capability.FORWARD not in self.capabilities:
            raise SpecError("A prediction of y was asked for", found="a model that does not predict y")
        return self.standardisation.y_out(
            self.model.predict(self.standardisation.x_in(self._tensor(x, self.x, "x")))
        )

    @torch.no_grad()
    def sample(
        self,
        n: int,
        observation=None,
        generator: torch.Generator | None = None,
        *,
        within_bounds: bool = True,
    ) -> Tensor:
        """n draws of x (n, D), given one observation (M,) or one for each draw (n, M).

        A model that ``keeps_bounds`` draws anew what lies outside the bounds of x, unless that is not wanted:
        `log_prob` is the density of all draws.
        """
        if not isinstance(n, int) or n < 1:
            raise SpecError("The number of draws must be a positive whole number", found=repr(n))
        generator = generator or torch.Generator(device=self.model.device).manual_seed(0)
        out = []
        rows = None if observation is None else torch.as_tensor(observation, dtype=self.model.dtype)
        chunk = at_once(self.model)
        for start in range(0, n, chunk):
            count = min(chunk, n - start)
            y = (
                rows[start : start + count]
                if rows is not None and rows.ndim == 2 and len(rows) == n and n > 1
                else rows
            )
            x = self._drawn(count, y, generator)
            out.append(self._kept_inside(x, y, generator) if within_bounds else x)
        return torch.cat(out)

    def _drawn(self, n: int, y, generator: torch.Generator) -> Tensor:
        shape = (n, self.model.latent_features)
        z = torch.randn(shape, generator=generator, device=self.model.device, dtype=self.model.dtype)
        return self.standardisation.x_out(self.model.draw(z, self._observation(y, 1)))

    def _kept_inside(self, x: Tensor, y, generator: torch.Generator) -> Tensor:
        """Rows outside the bounds are drawn anew, a hundred times at most; what is left is moved to them."""
        if not self.model.keeps_bounds:
            return x
        low, high = (x.new_tensor([getattr(v, side) for v in self.x]) for side in ("low", "high"))
        for _ in range(_TRIES):
            rows = ((x < low) | (x > high)).any(1).nonzero()[:, 0]
            if not len(rows):
                return x
            own = y[rows] if y is not None and y.ndim == 2 and len(y) == len(x) > 1 else y
            x[rows] = self._drawn(len(rows), own, generator)
        return torch.minimum(torch.maximum(x, low), high)

    def concerns(self, observation: Sequence[float]) -> tuple[str, ...]:
        """Sentences on an observation (M,) that is not like those of the training: a component far outside
        (is the unit right?), or a whole unlike any that was seen. Empty where there is nothing to say."""
        units = self.standardisation
        shift, scale = (t.detach().to("cpu", torch.float64) for t in (units.shift_y, units.scale_y))
        return concerns(observation, self.y, shift, scale, self.typicality)

    def posterior(self, observation) -> Posterior:
        """p(x | y = observation) as something to sample from; the observation is checked at once.

        Raises `SpecError` for a wrong number of values or ones that are not finite. Warns with an
        `UnusualObservationWarning` of an observation that is not like those of the training.
        """
        made = Posterior(self, observation)
        for sentence in made.concerns:
            warnings.warn(sentence, UnusualObservationWarning, stacklevel=2)
        return made

    def sample_dataset(self, n: int, *, seed: int = 0) -> xr.Dataset:
        """n draws of x without an observation, as a Dataset with dimension ``draw``."""
        generator = torch.Generator(device=self.model.device).manual_seed(seed)
        return to_dataset(self.sample(n, None, generator), self.x)


def at_once(model: Model) -> int:
    """How many draws pass through a network together: a power of two, so that it is made of sixteens, and
    the random numbers do not depend on it."""
    if model.device.type != "cpu":
        return _LARGE_CHUNK
    widest = max((p.shape[:-1].numel() for p in model.parameters() if p.dim() > 1), default=1)
    return min(_MOST_CHUNK, max(_LEAST_CHUNK, 2 ** int(math.log2(_IN_CACHE / widest))))


class Posterior:
    """The model's answer to one observation."""

    def __init__(self, fitted: FittedModel, observation) -> None:
        try:
            values = [float(v) for v in torch.as_tensor(observation, dtype=torch.float64).reshape(-1)]
        except (TypeError, ValueError, RuntimeError) as error:
            raise SpecError("The observation is not made of numbers", found=repr(observation)[:80]) from error
        if len(values) != len(fitted.y):
            names = named(fitted.y) or "none: this problem has no y"
            raise SpecError(
                "The observation has the wrong number of values",
                expected=f"{len(fitted.y)} ({names})",
                found=str(len(values)),
            )
        self.fitted, self.observation = fitted, tuple(values)
        fitted._observation([values], 1)
        self.concerns = fitted.concerns(values)

    def sample(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """n draws: dimension ``draw``, one variable a parameter, units in the attributes."""
        generator = torch.Generator(device=self.fitted.model.device).manual_seed(seed)
        made = to_dataset(self.fitted.sample(n, [self.observation], generator), self.fitted.x)
        return made.assign_attrs(
            observation=list(self.observation), observation_names=[v.name for v in self.fitted.y]
        )

    def to_datatree(self, n: int = 1000, *, chains: int = CHAINS, seed: int = 0) -> xr.DataTree:
        """n draws with all that belongs to them in ArviZ's groups: posterior, sample_stats, observed_data,
        and where the problem can give them prior, prior_predictive and posterior_predictive.

        Written by `workbench.export.write_datatree`, or by xarray's own ``to_netcdf`` and ``to_zarr``.
        """
        return to_datatree(self, n, chains=chains, seed=seed)

    @torch.no_grad()
    def log_prob(self, x) -> Tensor:
        """log p(x | y) (n,) in nats."""
        return self.fitted.log_prob(x, [self.observation])


def to_dataset(x: Tensor, variables: Sequence[Variable]) -> xr.Dataset:
    """Draws (n, D) as a Dataset: one variable a column, with unit, symbol and description."""
    values = x.detach().cpu().double().numpy()
    return xr.Dataset(
        {
            v.name: (
                "draw",
                values[:, i],
                {"units": v.unit, "long_name": v.symbol or v.name, "description": v.description},
            )
            for i, v in enumerate(variables)
        },
        coords={"draw": range(len(values))},
    )
