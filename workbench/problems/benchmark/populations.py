"""Two populations that feed on each other, solved for many parameters at once.

Equation:   d log u₁/dt = r₁ + q₁ u₂,  d log u₂/dt = r₂ + q₂ u₁. Lotka and Volterra's model has this form, and
            so has the epidemic of Kermack and McKendrick. In logarithms populations stay positive, and the
            tolerance is a relative one.
Method:     Dormand and Prince's pair of order 8 (5, 3) with the coefficients that SciPy holds. Each row has
            its own steps and lands on the times that are asked for.
Why ours:   SciPy solves one row at a time. Batched solvers for torch share a step among the whole batch, so
            that a row's result would depend on its neighbours, or are a dependency for 40 lines.
Gradient:   the steps that were chosen count as constants, the stages are on the graph.
Source:     Hairer, Nørsett & Wanner 1993, Solving Ordinary Differential Equations I, II.5 and II.10.
"""

from __future__ import annotations

import math

import torch
from scipy.integrate import DOP853
from torch import Tensor

from workbench.problems.base import Problem
from workbench.problems.planar.mixture import normal

_TOLERANCE = 1e-9
_MOST_STEPS = 150  # within one interval; the priors need 50, and a row that needs more becomes NaN
_STAGES = [torch.tensor(DOP853.A[i, :i], dtype=torch.float64) for i in range(1, len(DOP853.A))]
_WEIGHTS = torch.tensor(DOP853.B, dtype=torch.float64)
_ERRORS = torch.stack([torch.tensor(e, dtype=torch.float64) for e in (DOP853.E5, DOP853.E3)])


def _field(u: Tensor, rates: Tensor, feeding: Tensor) -> Tensor:
    return rates + feeding * u.exp().flip(1)


def _step(u: Tensor, rates: Tensor, feeding: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """One step (m,) in time: the new state (m, 2) and its error (m,) in units of the tolerance."""
    stages = [_field(u, rates, feeding)]
    for row in _STAGES:
        shift = torch.tensordot(row.to(u), torch.stack(stages), 1)
        stages.append(_field(u + step[:, None] * shift, rates, feeding))
    new = u + step[:, None] * torch.tensordot(_WEIGHTS.to(u), torch.stack(stages), 1)
    with torch.no_grad():
        stages.append(_field(new, rates, feeding))
        both = torch.tensordot(_ERRORS.to(u), torch.stack(stages), 1) / (1 + 0.1 * new.abs())
        both = both.abs().amax(-1)
        blend = both[0].square() / torch.hypot(both[0], 0.1 * both[1]).clamp(min=1e-300)
        error = (step * blend / _TOLERANCE).nan_to_num(math.inf)
    return new, error


def _advance(u: Tensor, rates: Tensor, feeding: Tensor, step: Tensor, interval: float):
    """State (n, 2) one interval later and the steps (n,) to go on with; NaN for rows that need too many."""
    left = torch.where(u.isnan().any(1), 0.0, torch.full_like(step, interval))
    for _ in range(_MOST_STEPS):
        rows = (left > 0).nonzero()[:, 0]
        if not len(rows):
            return u, step
        last = step[rows] >= left[rows]
        tried = torch.minimum(step[rows], left[rows])
        new, error = _step(u[rows], rates[rows], feeding[rows], tried)
        good = error <= 1
        u = u.index_put((rows[good],), new[good])
        left[rows[good]] = torch.where(last, 0.0, left[rows] - tried)[good]
        wanted = tried * (0.9 * error.clamp(min=1e-12).pow(-1 / 8)).clamp(0.2, 6.0)
        # a step that was cut at the end of the interval says nothing against a longer one
        step[rows] = torch.where(last & good, torch.maximum(step[rows], wanted), wanted)
    return torch.where((left > 0)[:, None], math.nan, u), step


def log_populations(
    rates: Tensor, feeding: Tensor, start: tuple[float, float], interval: float, count: int
) -> Tensor:
    """log u (n, count, 2) at times 0, interval, … for r and q (n, 2), float64, to about 1e-7.

    Rates far outside the priors may need more steps than are allowed: such rows are NaN from there on.
    """
    u = rates.new_tensor(start).log().expand(len(rates), 2)
    step, states = torch.full((len(rates),), 0.05 * interval, dtype=u.dtype, device=u.device), [u]
    for _ in range(count - 1):
        u, step = _advance(u, rates, feeding, step, interval)
        states.append(u)
    return torch.stack(states, 1)


class PopulationProblem(Problem):
    """Rates with log-normal priors, and what is seen of two populations.

    Members give ``locations`` and ``scales`` of the logarithms of x and `_log_populations`.
    """

    locations: tuple[float, ...]
    scales: tuple[float, ...]

    def _log_populations(self, x: Tensor) -> Tensor:
        """log of both populations (n, times, 2), float64, for positive rates ``x`` (n, D), float64."""
        raise NotImplementedError

    def _log_likelihood(self, log_populations: Tensor, y: Tensor) -> Tensor:
        """log p(y | x) in nats (n,)."""
        raise NotImplementedError

    @property
    def window(self):
        """From zero to three standard deviations of the logarithm above the middle, rounded."""
        tops = (math.exp(m + 3 * s) for m, s in zip(self.locations, self.scales, strict=True))
        return tuple((0.0, round(top, 2 - math.floor(math.log10(top)))) for top in tops)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        scales, locations = torch.tensor([self.scales, self.locations], dtype=torch.float64)
        return (locations + scales * normal(n, len(scales), generator)).exp()

    def _log_joint(self, x, y):
        valid = (x > 0).all(1)
        known = torch.where(valid[:, None], x, 1.0).double()
        logs, scales, locations = known.log(), known.new_tensor(self.scales), known.new_tensor(self.locations)
        prior = -0.5 * ((logs - locations) / scales).square() - (scales * math.sqrt(2 * math.pi)).log() - logs
        likelihood = self._log_likelihood(self._log_populations(known), y.double())
        total = prior.sum(1) + likelihood
        return torch.where(valid & ~total.isnan(), total, -math.inf).to(x)
