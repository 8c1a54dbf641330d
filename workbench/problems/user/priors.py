"""Priors of the user's simulator: functions, distributions of torch and SciPy, lists and dictionaries."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError, SpecError, WorkbenchError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.variable import OPEN_LEVELS, Variable
from workbench.problems.user import torch_priors
from workbench.problems.user.outputs import Layout, Rows, column_names, described, rows_of

if TYPE_CHECKING:
    from torch import Tensor

#: Draws from which the number of components of a prior is read.
_TRIAL = 2


@dataclass(frozen=True)
class Component:
    """Edges of one component of a prior, and its kind, as in `Variable`."""

    low: float = -math.inf
    high: float = math.inf
    logarithmic: bool = False
    whole: bool = False
    circular: bool = False

    def bounded(self, variable: Variable, *, by_name: bool) -> Variable:
        """Return the variable within the prior's bounds, and of its kind if it was given ``by_name``."""
        if variable.categories or variable.period or variable.levels > 0:
            return variable
        kind: dict[str, Any] = {}
        if by_name and self.whole:
            count = self.high - self.low + 1
            kind = {"levels": int(count) if math.isfinite(count) and count >= 2 else OPEN_LEVELS}
        elif by_name and self.logarithmic and self.low >= 0:
            kind = {"scale": "log"}
        elif by_name and self.circular:
            return replace(variable, low=self.low, period=self.high - self.low)
        low, high = max(variable.low, self.low), min(variable.high, self.high)
        if not low < high:
            raise DataError(
                f"The prior lies outside the bounds of '{variable.name}'",
                expected=f"{variable.low:g} to {variable.high:g}",
                found=f"{self.low:g} to {self.high:g}",
            )
        return replace(variable, low=low, high=high, **kind)


class Prior:
    """Base of all priors: draws, and the density where it is known."""

    layout: Layout = ()
    #: One entry a component; empty where nothing is known of them.
    components: tuple[Component, ...] = ()
    has_density = False

    def rows(self, n: int, seed: int) -> Rows:
        """Return n draws; the same seed gives the same numbers."""
        raise NotImplementedError

    def log_density(self, x: Tensor) -> Tensor:
        """Return log p(x) (n,) in nats of x (n, D), float64; −∞ outside the support."""
        raise NotImplementedError


class FunctionPrior(Prior):
    """A function (n, generator) -> x, of which nothing else is known."""

    def __init__(self, function: Callable[[int, torch.Generator], Any]) -> None:
        self.function = function
        self.layout = self.rows(_TRIAL, 0).layout

    def rows(self, n: int, seed: int) -> Rows:
        try:
            with global_numbers(seed, everywhere=True):
                result = self.function(n, torch.Generator().manual_seed(seed))
        except WorkbenchError:
            raise
        except Exception as error:
            raise DataError(
                "The simulator's prior failed",
                expected="a function prior(n, generator) that returns n parameter sets, one a row",
                found=f"{type(error).__name__}: {error}",
            ) from error
        return rows_of(result, n, "prior")


class TorchPrior(Prior):
    """A distribution of torch; a batch of distributions is a vector of independent components."""

    has_density = True

    def __init__(self, distribution: torch.distributions.Distribution) -> None:
        with global_numbers(0):  # it draws, to see whether double precision works
            self.distribution = torch_priors.in_double(distribution)
        with global_numbers(0):
            self._point = torch.from_numpy(torch_priors.as_rows(self.distribution.sample((1,))))[0]
        self.layout = (("", len(self._point)),)
        low, high = (edge.reshape(-1).tolist() for edge in torch_priors.edges(self.distribution))
        kinds = torch_priors.is_logarithmic(self.distribution), torch_priors.is_whole(self.distribution)
        circular = torch_priors.is_circular(self.distribution)
        self.components = tuple(Component(a, b, *kinds, circular) for a, b in zip(low, high, strict=True))
        try:
            self.has_density = bool(self.log_density(self._point[None]).isfinite().all())
        except Exception:  # a distribution that can only be drawn from
            self.has_density = False

    def rows(self, n: int, seed: int) -> Rows:
        with global_numbers(seed):
            return Rows(torch_priors.as_rows(self.distribution.sample((n,))), self.layout)

    def log_density(self, x: Tensor) -> Tensor:
        return torch_priors.log_density(self.distribution, x, self._point)


class ScipyPrior(Prior):
    """A frozen distribution of SciPy, of one component or several, or its estimate of a density."""

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution
        values = self._draws(_TRIAL, 0)
        self.layout = (("", values.shape[1]),)
        self.components = self._components(values.shape[1])
        density = next((n for n in ("logpdf", "logpmf") if hasattr(distribution, n)), "")
        if self._whole() and hasattr(distribution, "logpmf"):
            density = "logpmf"
        self._density, self.has_density = density, bool(density)

    def _whole(self) -> bool:
        kind = getattr(self.distribution, "dist", self.distribution)
        discrete = any(c.__name__ == "DiscreteDistribution" for c in type(kind).__mro__)
        return discrete or (hasattr(kind, "pmf") and not hasattr(kind, "pdf"))

    def _draws(self, n: int, seed: int) -> np.ndarray:
        """Return n draws (n, D)."""
        generator, d = np.random.default_rng(seed), self.distribution
        if hasattr(d, "resample"):  # gaussian_kde
            return d.resample(n, seed=generator).T
        if hasattr(d, "rvs"):
            shape = np.shape(d.support()[0]) if hasattr(d, "support") else ()
            size = (n, *shape) if hasattr(d, "support") else n
            return np.asarray(d.rvs(size=size, random_state=generator), dtype=np.float64).reshape(n, -1)
        shape = np.shape(d.support()[0])
        return np.asarray(d.sample((n, *shape) if shape == () else n, rng=generator), float).reshape(n, -1)

    def _components(self, count: int) -> tuple[Component, ...]:
        d = self.distribution
        if hasattr(d, "support"):
            low, high = (np.broadcast_to(np.asarray(v, float).reshape(-1), count) for v in d.support())
        elif "dirichlet" in type(d).__name__:
            low, high = np.zeros(count), np.ones(count)
        else:
            low, high = np.full(count, -math.inf), np.full(count, math.inf)
        name = getattr(getattr(d, "dist", None), "name", "")
        logarithmic = name in ("loguniform", "reciprocal") or (name == "lognorm" and not np.any(low))
        circular = name == "vonmises"
        if circular:  # SciPy's support is the real line, its draws are angles
            scale = d.kwds.get("scale", d.args[2] if len(d.args) > 2 else 1)
            if np.any(np.asarray(scale) != 1):
                raise DataError(
                    "SciPy's draws from a von Mises distribution with a scale do not follow its density",
                    expected="scale=1, an angle in radians",
                    found=f"scale={scale}",
                    suggestion="widen it by a smaller kappa",
                )
            low, high = np.full(count, -math.pi), np.full(count, math.pi)
        return tuple(
            Component(float(a), float(b), logarithmic, self._whole(), circular)
            for a, b in zip(low, high, strict=True)
        )

    def rows(self, n: int, seed: int) -> Rows:
        return Rows(self._draws(n, seed), self.layout)

    def log_density(self, x: Tensor) -> Tensor:
        points = x.detach().numpy()
        if hasattr(self.distribution, "support"):
            shape = np.shape(self.distribution.support()[0])
            points = points.reshape(len(points), *shape) if shape or points.shape[1] == 1 else points
        elif hasattr(self.distribution, "resample"):
            points = points.T
        low, high = (np.array([getattr(c, s) for c in self.components]) for s in ("low", "high"))
        inside = ((x.detach().numpy() >= low) & (x.detach().numpy() <= high)).all(axis=1)
        with np.errstate(all="ignore"):
            try:
                values = np.asarray(getattr(self.distribution, self._density)(points), dtype=np.float64)
            except ValueError:  # some, such as Dirichlet's, refuse points outside their support
                values = np.array([self._one(point) for point in x.detach().numpy()])
        values = values.reshape(len(x), -1).sum(axis=1)
        return torch.from_numpy(np.where(inside & ~np.isnan(values), values, -math.inf))

    def _one(self, point: np.ndarray) -> float:
        try:
            return float(np.squeeze(getattr(self.distribution, self._density)(point)))
        except ValueError:
            return -math.inf


class JointPrior(Prior):
    """Independent parts, each a prior of its own, with names or without."""

    def __init__(self, parts: Sequence[tuple[str, Prior]]) -> None:
        self.parts = [prior for _, prior in parts]
        layout = []
        for name, prior in parts:
            width = sum(max(count, 1) for _, count in prior.layout)
            layout.append((name, 0 if width == 1 else width))
        self.layout = tuple(layout)
        self._widths = [max(width, 1) for _, width in layout]
        self.components = tuple(
            component
            for prior, width in zip(self.parts, self._widths, strict=True)
            for component in prior.components or (Component(),) * width
        )
        self.has_density = all(prior.has_density for prior in self.parts)

    def rows(self, n: int, seed: int) -> Rows:
        words = np.random.SeedSequence(seed).generate_state(len(self.parts), np.uint64)
        seeds = [int(word >> np.uint64(2)) for word in words]
        parts = [p.rows(n, own).values for p, own in zip(self.parts, seeds, strict=True)]
        return Rows(np.concatenate(parts, axis=1), self.layout)

    def log_density(self, x: Tensor) -> Tensor:
        columns = x.split(self._widths, dim=1)
        return torch.stack([p.log_density(c) for p, c in zip(self.parts, columns, strict=True)]).sum(0)


def make_prior(source: Any) -> Prior:
    """Return the prior that a distribution, a list or dictionary of them, or a function describes.

    Raises `SpecError` for anything else, and `DataError` where it cannot be drawn from.
    """
    if isinstance(source, Prior):
        return source
    if isinstance(source, Mapping):
        _refuse_bounds(source)
        return JointPrior([(str(name), make_prior(part)) for name, part in source.items()])
    if isinstance(source, (list, tuple)) and source:
        _refuse_bounds({"": next(filter(_is_pair, source), source)})
        return JointPrior([("", make_prior(part)) for part in source])
    if isinstance(source, torch.distributions.Distribution):
        return _tried(TorchPrior, source)
    scipy = any(kind.__module__.partition(".")[0] == "scipy" for kind in type(source).__mro__)
    draws = any(hasattr(source, name) for name in ("rvs", "sample", "resample"))
    general = hasattr(source, "freeze") or type(source).__name__.endswith("_gen") or isinstance(source, type)
    if scipy and draws and not general:
        return _tried(ScipyPrior, source)
    if callable(source) and not (scipy and draws):
        return FunctionPrior(source)
    if isinstance(source, numbers.Real):
        raise SpecError(
            "The simulator's prior cannot be drawn from",
            expected="a distribution of torch or SciPy for each unknown",
            found=f"{type(source).__name__} {source!r}",
            suggestion="leave a quantity that is known out of the prior, and write it into the function",
        )
    raise SpecError(
        "The simulator's prior cannot be drawn from",
        expected="a distribution of torch or SciPy, a list or dictionary of them, or a function "
        "(n, generator) -> (n, D)",
        found=type(source).__name__,
        suggestion="give it its parameters first, as in scipy.stats.norm(0, 1)" if scipy else "",
    )


def _is_pair(source: Any) -> bool:
    """Test for two numbers, which may be bounds or a mean with its standard deviation."""
    pair = isinstance(source, (list, tuple)) and len(source) == 2
    return pair and all(isinstance(value, numbers.Real) for value in source)


def _refuse_bounds(parts: Mapping[Any, Any]) -> None:
    """Raise `SpecError` for two numbers in place of a distribution."""
    for name, part in parts.items():
        if not _is_pair(part):
            continue
        low, high = sorted(float(v) for v in part)
        noun = f"prior of '{name}'" if name else "prior"
        distribution = f"torch.distributions.Uniform({low!r}, {high!r})"
        raise SpecError(
            f"The {noun} is two numbers, which are no distribution",
            expected="a distribution of torch or SciPy",
            found=repr(part),
            suggestion=f"for any number between them, write {f'{name!r}: ' if name else ''}{distribution}",
        )


def _tried(kind: type[Prior], source: Any) -> Prior:
    try:
        return kind(source)  # type: ignore[call-arg]
    except WorkbenchError:
        raise
    except Exception as error:
        raise DataError("The simulator's prior failed", found=f"{type(error).__name__}: {error}") from error


def unknowns(prior: Prior, values: Any) -> tuple[Variable, ...]:
    """Return the variables of x that ``values``, variables or names, and the prior describe.

    Names come from a dictionary of priors where ``values`` is empty. Bounds are those of the prior's support
    and of the variables together. Raises `SpecError` and `DataError` where they do not fit.
    """
    has_names = bool(prior.layout) and prior.layout[0][0] != ""
    variables = described(values, "x", prior.layout if has_names else None)
    by_name = set(values) if values and all(isinstance(v, str) for v in values) else set()
    names = column_names(prior.layout, "x") if has_names else [v.name for v in variables]
    if not prior.components or len(prior.components) != len(names):
        return variables
    components = dict(zip(names, prior.components, strict=True))
    whole = not values
    return tuple(
        components[v.name].bounded(v, by_name=whole or v.name in by_name) if v.name in components else v
        for v in variables
    )
