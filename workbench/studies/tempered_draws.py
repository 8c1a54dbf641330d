"""Draws of exact posteriors by sequential Monte Carlo that starts at the prior and never sees a network.

start   a distribution with a known density on the support of x: unknowns with two finite bounds are uniform
        between them, the others normal with mean and covariance of draws of the prior, in log x where x is
        positive
stages  π_β(x) ∝ start(x)^(1−β) p(x, y)^β from β = 0 to 1; each β is the largest that leaves half of the
        walkers effective, and walkers are resampled and moved at every stage
draws   the walkers after their last moves, stored every few moves until there are enough
With many moves it is a reference that agrees with `exact_draws` by another algorithm; with a limit on the
evaluations of the joint density it is what Markov chains give for the budget of another method.
Source: Del Moral, Doucet & Jasra 2006, Sequential Monte Carlo samplers; ter Braak 2006 (moves).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.refinement.prior_check import PriorProposal
from workbench.studies.exact_draws import largest_exponent

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems import Problem

#: Draws of the start for each walker, share of effective walkers at each stage, and most stages.
_CANDIDATES, _SHARE, _STAGES = 10, 0.5, 300
#: Walkers and moves at each stage where there is a budget, and the fewest sweeps that it must allow.
_FEW_WALKERS, _FEW_MOVES, _FEWEST_SWEEPS = 500, 5, 40


@dataclass(frozen=True)
class TemperedDraws:
    """Draws ``x`` (n, D), float64, the number of ``evaluations`` of the joint density and of ``stages``, and
    the power ``beta`` at which walkers were last moved before the end: 1 unless the budget was too small."""

    x: Tensor
    evaluations: int
    stages: int
    beta: float


def tempered_draws(
    problem: Problem,
    y: Tensor,
    n: int,
    generator: torch.Generator,
    *,
    walkers: int = 2000,
    moves: int = 40,
    last_moves: int = 200,
    between: int = 20,
) -> TemperedDraws:
    """Draw n x (n, D) from the exact p(x | y) at y (M,) by tempering from the prior.

    Parameters
    ----------
    walkers : walkers that are moved together.
    moves, last_moves, between : moves of each walker at a stage, after the last stage, and between two times
        at which all walkers are stored.

    Raises `DataError` for a problem without a joint density, and where no draw of the prior is possible.
    """
    target = _Target(problem, y, generator)
    start = target.start.draw(_CANDIDATES * walkers, generator)
    u, stages, beta = _temper(target, start, walkers, moves, generator)
    rounds = [last_moves, *[between] * (-(-n // walkers) - 1)]
    return TemperedDraws(_last_states(target, u, n, rounds, generator), target.evaluations, stages, beta)


def chain_draws(
    problem: Problem, y: Tensor, n: int, generator: torch.Generator, budget: int
) -> TemperedDraws:
    """Draw n x (n, D) as `tempered_draws` does, with at most ``budget`` evaluations of the joint density.

    Fewer walkers make longer chains of the same budget. Half of what is left after the last stage is spent
    before draws are stored. Where the budget ends before the last stage, the walkers are weighted and
    resampled without further moves. Raises `DataError` for a budget of too few moves.
    """
    least = _FEW_WALKERS * _FEWEST_SWEEPS
    if budget < least:
        raise DataError(
            "The budget is too small", expected=f"at least {least} evaluations", found=str(budget)
        )
    target = _Target(problem, y, generator)
    start = target.start.draw(_FEW_WALKERS * min(_CANDIDATES, _FEWEST_SWEEPS // 4), generator)
    u, stages, beta = _temper(target, start, _FEW_WALKERS, _FEW_MOVES, generator, budget)
    count = -(-n // _FEW_WALKERS)
    sweeps = (budget - target.evaluations) // _FEW_WALKERS - count - 1
    between = max(sweeps // (2 * count), 0)
    rounds = [sweeps - between * (count - 1), *[between] * (count - 1)]
    x = _last_states(target, u, n, [r for r in rounds if r > 0], generator)
    return TemperedDraws(x, target.evaluations, stages, beta)


def _temper(
    target: _Target,
    u: Tensor,
    walkers: int,
    moves: int,
    generator: torch.Generator,
    budget: float = math.inf,
) -> tuple[Tensor, int, float]:
    """Temper from draws u (k, D) of the start to the posterior: return walkers (N, D), stages, and the power
    at which they were last moved."""
    from workbench.problems.ensemble_sampler import resample
    from workbench.refinement.moves import WalkerEnsemble

    ratio = target.log_ratio(u)
    if not ratio.isfinite().any():
        raise DataError(
            "Tempering cannot start",
            expected="an observation that the prior can make",
            found=f"none of {len(u)} draws of the prior makes it possible",
        )
    u, ratio = u[ratio.isfinite()], ratio[ratio.isfinite()]
    beta = power = 0.0
    for stage in range(1, _STAGES + 1):
        rest = 1 - beta
        is_out = target.evaluations + walkers * (moves + 3) > budget
        share = min(_SHARE * walkers / len(u), 0.9)
        step = rest if is_out or stage == _STAGES else rest * largest_exponent(rest * ratio, share)
        rows = resample(step * ratio, walkers, generator)
        u, beta = u[rows], min(1.0, beta + step)
        if is_out:
            break
        ensemble = WalkerEnsemble(u, generator)
        ensemble.move(lambda v, at=beta: target.tempered(v, at), moves)
        u, power = ensemble.x, beta
        if beta == 1:
            break
        ratio = target.log_ratio(u)
    return u, stage, power


def _last_states(target: _Target, u: Tensor, n: int, rounds: list[int], generator: torch.Generator) -> Tensor:
    """Move walkers u (N, D) under the posterior and return n of their states x after each of ``rounds`` of
    moves, in random order; states repeat where there are fewer than n."""
    from workbench.refinement.moves import WalkerEnsemble

    ensemble, states = WalkerEnsemble(u, generator), []
    for sweeps in rounds:
        ensemble.move(target.log_posterior, sweeps)
        states.append(ensemble.x)
    x = target.start.to_x(torch.cat(states or [u]))
    rows = torch.cat([torch.randperm(len(x), generator=generator) for _ in range(-(-n // len(x)))])
    return x[rows[:n]]


class _Target:
    """Log densities of start and posterior at y (M,), in the coordinates u of the start."""

    def __init__(self, problem: Problem, y: Tensor, generator: torch.Generator) -> None:
        if Capability.LOG_JOINT not in problem.capabilities:
            raise DataError("Tempered draws need a joint density", found=f"'{problem.key}' has none")
        self.problem, self.y, self.evaluations = problem, y.double(), 0
        self.start = PriorProposal(problem, generator)

    def log_posterior(self, u: Tensor) -> Tensor:
        self.evaluations += len(u)
        value = self.problem.log_joint(self.start.to_x(u), self.y.expand(len(u), -1))
        return (value + self.start.log_volume(u)).nan_to_num(nan=-math.inf)

    def log_ratio(self, u: Tensor) -> Tensor:
        return self.log_posterior(u) - self.start.log_density(u)

    def tempered(self, u: Tensor, beta: float) -> Tensor:
        start = self.start.log_density(u)
        value = (1 - beta) * start + beta * self.log_posterior(u)
        return torch.where(start.isfinite(), value.nan_to_num(nan=-math.inf), -math.inf)
