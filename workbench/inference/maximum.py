"""Point of highest density of a trained network's posterior, found with gradients from several starts.

Each start is one of the most probable draws, apart from the others so that several modes are climbed. The
search stays within the range of the draws: nearer to an edge than any draw, a density is extrapolated.
Columns of real numbers move by L-BFGS-B within the support (Byrd et al. 1995), from all starts at once and
then from the best alone, in units of the draws' spread and, for logarithmic variables, of their logarithms.
Columns of whole numbers and categories move one step at a time. The density is that of the variables in
their own units: a logarithmic variable's maximum is not that of its logarithm's density.

A network may have a needle of a density, on which hardly any probability lies: its maximum is no estimate.
Of a D-dimensional normal distribution most draws are within D/2 + 3 nats of the maximum; where hardly any
draw is, a `NeedleWarning` says so. No direction or unit is singled out, and other modes count.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.lazy import torch
from workbench.core.scale import column_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.inference.fitted_model import FittedModel

#: Number of starts, and least distance between two of them in standard deviations of the draws.
STARTS, APART = 8, 0.5
_ITERATIONS, _ROUNDS = 100, 20
#: Distance that is kept from the edge of the support, in standard deviations of the draws.
_MARGIN = 1e-6
#: Nats below the best value so far that stand for a density of zero, which gradients cannot use.
_DROP = 100.0


#: Share of the draws that are within D/2 nats and this many more of the maximum, below which it is a needle.
_NEEDLE_SHARE, _NEEDLE_NATS = 0.005, 3.0


class NeedleWarning(UserWarning):
    """Warns of a maximum of the density around which there is hardly any probability."""


@dataclass(frozen=True)
class Maximum:
    """A point x (D,), its log-density in nats, and the number of starts that came within 0.1 nats of it."""

    x: np.ndarray
    log_prob: float
    agreeing: int


def highest_density(fitted: FittedModel, observation: Sequence[float], draws: Tensor) -> Maximum:
    """Find the point of highest density at one observation (M,), from the best of draws (n, D)."""
    search = _Search(fitted, observation, draws.detach().cpu().double())
    points, values = search.climb(search.starts())
    best = int(values.argmax())
    agreeing = int((values > values[best] - 0.1).sum())
    point, value = search.climb(points[best : best + 1])
    search.warn_of_needle(float(value[0]))
    return Maximum(search.in_units(point[0]), float(value[0]), agreeing)


class _Search:
    """Density at one observation in coordinates u (D,), in which columns are comparable."""

    def __init__(self, fitted: FittedModel, observation: Sequence[float], draws: Tensor) -> None:
        self.fitted, self.observation, self.variables = fitted, [list(observation)], fitted.x
        self.whole = np.array([bool(v.levels or v.categories) for v in self.variables])
        self.log = np.array([v.scale == "log" for v in self.variables])
        values = draws.numpy()
        coordinates = np.where(self.log, np.log(np.where(self.log, np.maximum(values, 1e-300), 1.0)), values)
        self.scale = np.where(self.whole, 1.0, column_scale(torch.from_numpy(coordinates)).numpy())
        self.centre = np.where(self.whole, 0.0, np.median(coordinates, 0))
        self.draws = draws
        self.coordinates = (coordinates - self.centre) / self.scale
        columns = zip(self.variables, self.centre, self.scale, strict=True)
        limits = [self._limits(*column) for column in columns]
        reach = zip(self.coordinates.min(0), self.coordinates.max(0), strict=True)
        self.limits = [
            pair if v.period or whole else (max(pair[0], low), min(pair[1], high))
            for pair, (low, high), v, whole in zip(limits, reach, self.variables, self.whole, strict=True)
        ]

    def _limits(self, variable: Variable, centre: float, scale: float) -> tuple[float, float]:
        if variable.period:  # a cyclic variable goes round
            return -math.inf, math.inf
        if variable.categories:
            return 0.0, float(variable.categories - 1)
        if variable.levels:
            return variable.low, variable.high
        low, high = variable.support
        if variable.scale == "log":
            low, high = math.log(low) if low > 0 else -math.inf, math.log(high)
        margin = min(_MARGIN, 1e-3 * (high - low) / scale)
        return (low - centre) / scale + margin, (high - centre) / scale - margin

    @cached_property
    def log_probs(self) -> np.ndarray:
        """Log-densities (n,) of the draws."""
        with torch.no_grad():
            parts = [self.fitted.log_prob(part, self.observation).cpu() for part in self.draws.split(4096)]
        return np.nan_to_num(torch.cat(parts).numpy(), nan=-np.inf)

    def warn_of_needle(self, maximum: float) -> None:
        """Warn where the density at hardly any draw is comparable with its maximum, a log-density in nats."""
        least = maximum - 0.5 * len(self.variables) - _NEEDLE_NATS
        share = float((self.log_probs > least).mean())
        if share < _NEEDLE_SHARE:
            typical = maximum - float(np.median(self.log_probs))
            warnings.warn(
                f"The highest density lies on a needle: it exceeds a typical draw's by {typical:.1f} nats, "
                f"and only {share:.1%} of the draws come near it (most would, around the peak of a normal "
                "distribution). The point is no estimate; use the mean, the median or the draws, or train on "
                "more data.",
                NeedleWarning,
                stacklevel=4,
            )

    def starts(self) -> np.ndarray:
        """Return the most probable draws that lie apart from each other, as coordinates (starts, D)."""
        order = np.argsort(-self.log_probs, kind="stable")
        starts: list[np.ndarray] = []
        for u in self.coordinates[order]:
            if all(np.linalg.norm(u - other) > APART for other in starts):
                starts.append(u)
            if len(starts) == STARTS:
                break
        low, high = np.array(self.limits).T
        return np.clip(np.array(starts), low, high)

    def in_units(self, u: np.ndarray) -> np.ndarray:
        """Return coordinates (…, D) as values of the variables, cyclic ones within their period."""
        x = self.centre + u * self.scale
        x = np.where(self.log, np.exp(np.where(self.log, x, 0.0)), x)
        for i, v in enumerate(self.variables):
            if v.period:
                x[..., i] = v.low + np.remainder(x[..., i] - v.low, v.period)
        return x

    def _values(self, u: Tensor) -> Tensor:
        """Return the log-density (n,) at coordinates u (n, D), differentiable in u."""
        x = torch.from_numpy(self.centre) + u * torch.from_numpy(self.scale)
        log = torch.from_numpy(self.log)
        x = torch.where(log, torch.where(log, x, torch.zeros_like(x)).exp(), x)
        columns = [
            v.low + torch.remainder(x[:, i] - v.low, v.period) if v.period else x[:, i]
            for i, v in enumerate(self.variables)
        ]
        return self.fitted.log_prob(torch.stack(columns, 1), self.observation)

    def value(self, u: np.ndarray) -> np.ndarray:
        """Return the log-density (n,) at coordinates (n, D), without a gradient."""
        with torch.no_grad():
            return self._values(torch.from_numpy(u)).cpu().double().nan_to_num(nan=-math.inf).numpy()

    def climb(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Climb from coordinates (s, D) to maxima, all at once; returns them and their log-densities (s,)."""
        points, values = starts, self.value(starts)
        for _ in range(_ROUNDS):
            before = values
            if not self.whole.all():
                points, values = self._climb_smooth(points, values)
            if not self.whole.any():
                break
            steps = [self._climb_whole(u, value) for u, value in zip(points, values, strict=True)]
            points, values = np.array([u for u, _ in steps]), np.array([value for _, value in steps])
            if not (values > before + 1e-6).any():
                break
        return points, values

    def _climb_smooth(self, starts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from scipy.optimize import minimize

        free, points, values = ~self.whole, starts.copy(), values.copy()

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            rows = starts.copy()
            rows[:, free] = flat.reshape(len(starts), -1)
            u = torch.from_numpy(rows).requires_grad_(True)
            with torch.enable_grad():
                log_prob = self._values(u)
                finite = log_prob.detach().isfinite()
                total = torch.where(finite, log_prob, torch.zeros_like(log_prob)).sum()
                slopes = (
                    torch.autograd.grad(total, u)[0].nan_to_num() if finite.any() else torch.zeros_like(u)
                )
            numbers = log_prob.detach().cpu().double().numpy()
            numbers = np.where(finite.cpu().numpy(), numbers, np.nan_to_num(values, neginf=0.0) - _DROP)
            better = numbers > values
            points[better], values[better] = rows[better], numbers[better]
            return -float(numbers.sum()), -slopes.numpy()[:, free].reshape(-1)

        limits = [pair for pair, use in zip(self.limits, free, strict=True) if use]
        minimize(
            loss,
            starts[:, free].reshape(-1),
            jac=True,
            method="L-BFGS-B",
            bounds=limits * len(starts),
            options={"maxiter": _ITERATIONS, "ftol": 1e-10, "gtol": 1e-6},
        )
        return points, values

    def _climb_whole(self, u: np.ndarray, value: float) -> tuple[np.ndarray, float]:
        """Take the best step of one whole number up or down, or to another category."""
        points = []
        for i in np.flatnonzero(self.whole):
            low, high = self.limits[i]
            own = u[i]
            others = np.arange(low, high + 1) if self.variables[i].categories else (own - 1, own + 1)
            for other in others:
                if low <= other <= high and other != own:
                    points.append(np.where(np.arange(len(u)) == i, other, u))
        if not points:
            return u, value
        values = self.value(np.array(points))
        best = int(values.argmax())
        return (points[best], float(values[best])) if values[best] > value else (u, value)
