"""Two populations that feed on each other: a differential equation solved for a batch of parameters.

Equation:   d log u₁/dt = r₁ + q₁ u₂,  d log u₂/dt = r₂ + q₂ u₁, r and q constant. Lotka and Volterra's
            model has this form, and so has the epidemic of Kermack and McKendrick. In logarithms populations
            stay positive, and the tolerance is a relative one.
Method:     Dormand and Prince's pair of order 8 (5, 3) with the coefficients of SciPy. Each row has its own
            step sizes and ends exactly at the requested times.
Not SciPy:  it solves one row at a time. Batched solvers for torch share a step among the whole batch, so
            that a row's result would depend on its neighbours, or are a dependency for 40 lines.
Gradient:   autograd records the stages and treats step sizes as constants.
Source:     Hairer, Nørsett & Wanner 1993, Solving Ordinary Differential Equations I, II.5 and II.10.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.problems.base import Problem
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_TOLERANCE = 1e-9
_MAX_STEPS = 150  # within one interval; the priors need 50, and a row that needs more becomes NaN


@cache
def _tableau() -> tuple[list[Tensor], Tensor, Tensor]:
    """Return the coefficients of Runge-Kutta stages, solution and both error estimates (2, stages + 1)."""
    from scipy.integrate import DOP853

    stages = [torch.tensor(DOP853.A[i, :i], dtype=torch.float64) for i in range(1, len(DOP853.A))]
    errors = torch.stack([torch.tensor(e, dtype=torch.float64) for e in (DOP853.E5, DOP853.E3)])
    return stages, torch.tensor(DOP853.B, dtype=torch.float64), errors


def _field(u: Tensor, rates: Tensor, feeding: Tensor) -> Tensor:
    """Return d log u/dt (m, 2) at log populations ``u`` (m, 2), for r = ``rates`` and q = ``feeding``."""
    return rates + feeding * u.exp().flip(1)


def _step(u: Tensor, rates: Tensor, feeding: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Return log populations (m, 2) after one time ``step`` (m,), and errors (m,) in units of tolerance."""
    coefficients, weights, errors = _tableau()
    stages = [_field(u, rates, feeding)]
    for row in coefficients:
        shift = torch.tensordot(row.to(u), torch.stack(stages), 1)
        stages.append(_field(u + step[:, None] * shift, rates, feeding))
    new = u + step[:, None] * torch.tensordot(weights.to(u), torch.stack(stages), 1)
    with torch.no_grad():
        stages.append(_field(new, rates, feeding))
        both = torch.tensordot(errors.to(u), torch.stack(stages), 1) / (1 + 0.1 * new.abs())
        both = both.abs().amax(-1)
        blend = both[0].square() / torch.hypot(both[0], 0.1 * both[1]).clamp(min=1e-300)
        error = (step * blend / _TOLERANCE).nan_to_num(math.inf)
    return new, error


def _advance(
    u: Tensor, rates: Tensor, feeding: Tensor, step: Tensor, interval: float
) -> tuple[Tensor, Tensor]:
    """Return the log populations (n, 2) one ``interval`` later and the step sizes (n,) to continue with.

    Rows that need too many steps become NaN.
    """
    remainder = torch.where(u.isnan().any(1), 0.0, torch.full_like(step, interval))
    for _ in range(_MAX_STEPS):
        rows = (remainder > 0).nonzero()[:, 0]
        if not len(rows):
            return u, step
        last = step[rows] >= remainder[rows]
        trial = torch.minimum(step[rows], remainder[rows])
        new, error = _step(u[rows], rates[rows], feeding[rows], trial)
        good = error <= 1
        u = u.index_put((rows[good],), new[good])
        remainder[rows[good]] = torch.where(last, 0.0, remainder[rows] - trial)[good]
        proposal = trial * (0.9 * error.clamp(min=1e-12).pow(-1 / 8)).clamp(0.2, 6.0)
        # a step that was cut at the end of the interval is no argument against a longer one
        step[rows] = torch.where(last & good, torch.maximum(step[rows], proposal), proposal)
    return torch.where((remainder > 0)[:, None], math.nan, u), step


def log_populations(
    rates: Tensor, feeding: Tensor, start: tuple[float, float], interval: float, count: int
) -> Tensor:
    """Return log u of both populations (n, count, 2) at times 0, interval, …, accurate to 1e-7.

    ``rates`` and ``feeding`` are r and q of the equation, float64 (n, 2), and ``start`` is u at time 0. Rows
    far outside the priors may need more steps than are allowed: they are NaN from that time on.
    """
    u = rates.new_tensor(start).log().expand(len(rates), 2)
    step, states = torch.full((len(rates),), 0.05 * interval, dtype=u.dtype, device=u.device), [u]
    for _ in range(count - 1):
        u, step = _advance(u, rates, feeding, step, interval)
        states.append(u)
    return torch.stack(states, 1)


class PopulationProblem(Problem):
    """Base of problems with log-normal rates and noisy observations of two populations.

    Subclasses define ``locations`` and ``scales`` (means and standard deviations of log x),
    `_log_populations` and `_log_likelihood`.
    """

    locations: tuple[float, ...]
    scales: tuple[float, ...]

    def _log_populations(self, x: Tensor) -> Tensor:
        """Return log populations (n, times, 2), float64, for positive parameters ``x`` (n, D), float64."""
        raise NotImplementedError

    def _log_likelihood(self, log_populations: Tensor, y: Tensor) -> Tensor:
        """Return log p(y | x) in nats (n,) from the populations that x leads to, (n, times, 2)."""
        raise NotImplementedError

    @property
    def window(self) -> Window:
        """Plot limits of each rate: 0, and the median times exp(3 standard deviations of log x), rounded."""
        tops = (math.exp(m + 3 * s) for m, s in zip(self.locations, self.scales, strict=True))
        return tuple((0.0, round(top, 2 - math.floor(math.log10(top)))) for top in tops)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        scales, locations = torch.tensor([self.scales, self.locations], dtype=torch.float64)
        return (locations + scales * normal(n, len(scales), generator)).exp()

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        valid = (x > 0).all(1)
        rates = torch.where(valid[:, None], x, 1.0).double()
        logs, scales, locations = rates.log(), rates.new_tensor(self.scales), rates.new_tensor(self.locations)
        prior = -0.5 * ((logs - locations) / scales).square() - (scales * math.sqrt(2 * math.pi)).log() - logs
        likelihood = self._log_likelihood(self._log_populations(rates), y.double())
        total = prior.sum(1) + likelihood
        return torch.where(valid & ~total.isnan(), total, -math.inf).to(x)
