"""Sequential Monte Carlo from the network's posterior to the exact one, with Markov chain moves.

stages    π_β(x) ∝ q(x | y)^(1−β) p(x, y)^β, 0 = β₀ < β₁ < … < 1. Draws of one stage are weighted and
          resampled for the next, and moved under its density until they have forgotten where they were
          (correlation below a fifth). A pilot chooses each β as the largest that leaves half of its walkers
          effective. For a network that is nearly right one stage is enough: sampling-importance-resampling.
replicates  the walkers are divided into populations, each of which goes through all this by itself
evidence  log p(y) = log of the mean over populations of exp Σ over the stages of the log mean weight; its
          error is the scatter of the populations, widened for their small number (Student's t)
draws     the populations after their last moves, in proportion to their evidence, stored every few moves
          until there are enough
Source: Del Moral, Doucet & Jasra 2006, Sequential Monte Carlo samplers; Chopin 2002; Buchholz, Chopin & Jacob
2021, Adaptive tuning of Hamiltonian Monte Carlo within sequential Monte Carlo (moves until they forget).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.refinement.base import (
    NAN,
    REFINEMENT,
    UNRELIABLE,
    AmortisedPosterior,
    Gain,
    RefinedPosterior,
    Refinement,
)
from workbench.refinement.prior_check import missing_mode_warnings

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.refinement.moves import WalkerEnsemble

#: Draws of the network for each walker: the first stage resamples from them.
_CANDIDATES = 10
_MOST_STAGES = 200
#: Largest number of populations, and smallest number of walkers in one, whatever the dimension and for each
#: dimension.
_POPULATIONS, _FEWEST_WALKERS, _WALKERS_EACH = 8, 50, 8
#: Correlation with their states before below which walkers have moved enough, and most moves of a stage.
_FORGOTTEN, _MOST_MOVES = 0.2, 400
#: Scatter of the populations' means, in standard deviations of the draws, and of their log evidences, in
#: nats, above which they disagree.
_DISAGREEMENT, _SCATTER = 0.3, 0.5
#: Below this acceptance rate a warning is given.
_LOW_ACCEPTANCE = 0.05
#: Smallest number of draws with a positive exact density to start from.
_FEWEST_POSSIBLE = 50


@dataclass
class _Population:
    """Walkers of one replicate: their states, and measurements of its stages so far."""

    stages: int = 0
    powers: list[float] = field(default_factory=list)
    log_evidence: float = 0.0
    log_ratio: Tensor | None = None
    forgetful: bool = True
    draws: int = 0
    rates: list[float] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)


@REFINEMENT.register
class MarkovChain(Refinement):
    """Sequential Monte Carlo from the network's posterior to the exact one, with Markov chain moves."""

    key = "markov_chain"
    title = "Resampling and Markov chain moves"
    summary = "Resamples the network's draws and moves them under the exact joint density."
    reference = (
        "Del Moral, Doucet & Jasra 2006, J. R. Stat. Soc. B 68; ter Braak 2006, Stat. Comput. 16; "
        "Foreman-Mackey et al. 2013, arXiv 1202.3665"
    )
    needs_problem = frozenset({Capability.LOG_JOINT})

    draws = param.Integer(
        10_000,
        bounds=(100, 1_000_000),
        doc="""
        Draws that are stored: the most that can be sampled.""",
    )
    crowd = param.Integer(
        2000,
        bounds=(50, 4000),
        doc="""
        Walkers of all populations together. More of them cover more modes; from eight times the number of
        unknowns a population, and at least 50, there are up to eight populations.""",
    )
    moves = param.Integer(
        30,
        bounds=(1, 10_000),
        doc="""
        Least number of moves of each walker under the exact density before the first draws are stored.""",
    )
    between = param.Integer(
        5,
        bounds=(1, 1000),
        doc="""
        Moves after which the walkers are stored again, and least number of moves at each stage.""",
    )

    def _refine(self, amortised: AmortisedPosterior, generator: torch.Generator) -> RefinedPosterior:
        start = time.perf_counter()
        least = max(_FEWEST_WALKERS, _WALKERS_EACH * amortised.features)
        count = min(max(self.crowd // least, 1), _POPULATIONS)
        size = self.crowd // count
        # powers that are chosen by the walkers themselves bias the evidence: these are a pilot's
        pilot = _Population()
        self._approach(amortised, generator, pilot, size)
        populations = [self._population(amortised, generator, size, pilot.powers) for _ in range(count)]
        shares = _shares(populations, has_density=amortised.has_density)
        x = _pool(populations, shares, self.draws, generator)
        acceptance = sum(sum(p.rates) / len(p.rates) for p in populations) / count
        log_evidence, error = _evidence(populations) if amortised.has_density else (NAN, NAN)
        size, pareto_k = _quality(populations)
        warnings = (
            *_warnings(populations, shares, acceptance, pareto_k, amortised),
            *missing_mode_warnings(amortised, log_evidence, error, generator),
        )
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            sum(p.draws for p in populations),
            size,
            pareto_k,
            acceptance,
            log_evidence,
            error,
            max(p.stages for p in populations),
            evaluations=amortised.evaluations,
            warnings=warnings,
        )

        def draw(n: int, own: torch.Generator) -> Tensor:
            if n > len(x):
                raise DataError(
                    "There are fewer draws than were asked for",
                    expected=f"at most {len(x)}",
                    found=str(n),
                    suggestion=f"refine with draws={n}",
                )
            return x[torch.randperm(len(x), generator=own)[:n]]

        return RefinedPosterior(draw, amortised, gain)

    def _population(
        self, amortised: AmortisedPosterior, generator: torch.Generator, size: int, powers: list[float]
    ) -> _Population:
        """Return ``size`` walkers that went through the stages ``powers``, with the states to be stored."""
        from workbench.refinement.moves import WalkerEnsemble

        population = _Population(powers=powers)
        walkers = WalkerEnsemble(self._approach(amortised, generator, population, size), generator)
        self._forget(walkers, amortised.log_joint, population, self.moves)
        population.states.append(walkers.x)
        while sum(len(x) for x in population.states) < self.draws * size / self.crowd:
            population.rates.append(walkers.move(amortised.log_joint, self.between))
            population.states.append(walkers.x)
        return population

    def _forget(
        self,
        walkers: WalkerEnsemble,
        log_target: Callable[[Tensor], Tensor],
        population: _Population,
        least: int,
    ) -> None:
        """Move walkers at least ``least`` times, and until they have forgotten their states before."""
        before, moves = walkers.x, 0
        while moves < least or _memory(before, walkers.x) > _FORGOTTEN:
            if moves >= max(_MOST_MOVES, least):
                population.forgetful = False
                return
            block = max(min(self.between, least - moves) if moves < least else self.between, 1)
            population.rates.append(walkers.move(log_target, block))
            moves += block

    def _approach(
        self, amortised: AmortisedPosterior, generator: torch.Generator, population: _Population, size: int
    ) -> Tensor:
        """Return walkers (N, D) distributed like the exact posterior, before the final moves.

        The powers β of the stages are those of the population, or else chosen here and kept in it.
        """
        from workbench.problems.ensemble_sampler import resample
        from workbench.refinement.moves import WalkerEnsemble

        x = amortised.draw(size * (_CANDIDATES if amortised.has_density else 2), generator)
        population.draws = len(x)
        if not amortised.has_density:
            return _possible(x, amortised)[:size]
        log_q, log_p = amortised.log_density(x), amortised.log_joint(x)
        population.log_ratio = log_p - log_q
        beta, powers = 0.0, list(population.powers)
        while beta < 1:
            if population.stages < len(powers):
                step = powers[population.stages] - beta
            else:
                step = _step(log_p - log_q, 1 - beta, len(x) / 2)
            if step <= 1e-9 or population.stages >= _MOST_STAGES:
                raise DataError(
                    "The exact posterior is out of the network's reach",
                    found=f"after {population.stages} stages the walkers stand at β = {beta:.2g} of 1",
                    suggestion="train the network longer, or look at its posterior first",
                )
            ratio = step * (log_p - log_q)
            population.log_evidence += float(ratio.logsumexp(0)) - math.log(len(x))
            rows = resample(ratio - ratio.logsumexp(0), size, generator)
            beta, population.stages = min(1.0, beta + step), population.stages + 1
            beta = powers[population.stages - 1] if powers else beta
            population.powers = powers or [*population.powers, beta]
            x, log_q, log_p = x[rows], log_q[rows], log_p[rows]
            if beta < 1:
                walkers = WalkerEnsemble(x, generator)
                self._forget(walkers, _tempered(amortised, beta), population, self.between)
                x = walkers.x
                log_q, log_p = amortised.log_density(x), amortised.log_joint(x)
        return x


def _memory(before: Tensor, after: Tensor) -> float:
    """Return the largest correlation over components of the walkers' states (N, D) before and after moves."""
    first, second = before - before.mean(0), after - after.mean(0)
    scale = (first.square().sum(0) * second.square().sum(0)).sqrt()
    correlation = (first * second).sum(0) / scale.clamp(min=torch.finfo(scale.dtype).tiny)
    return float(torch.where(scale > 0, correlation, 0.0).max())


def _shares(populations: Sequence[_Population], *, has_density: bool) -> Tensor:
    """Return the share of each population in the draws: its evidence among all; equal ones without it."""
    logs = torch.tensor([p.log_evidence if has_density else 0.0 for p in populations], dtype=torch.float64)
    return logs.softmax(0)


def _evidence(populations: Sequence[_Population]) -> tuple[float, float]:
    """Return the log evidence and its standard error, from the scatter of the populations.

    The error is such that twice of it is an interval of 95 %, also for few populations. Of a single one it
    is infinite.
    """
    from scipy.stats import t

    logs = torch.tensor([p.log_evidence for p in populations], dtype=torch.float64)
    count, top = len(logs), float(logs.max())
    ratios = (logs - top).exp()
    mean = float(ratios.mean())
    if count == 1:
        return top, math.inf
    spread = float(ratios.std()) / (mean * math.sqrt(count))
    return top + math.log(mean), spread * float(t.ppf(0.97725, count - 1)) / 2


def _quality(populations: Sequence[_Population]) -> tuple[float, float]:
    """Return effective size and Pareto k̂ of the network's draws in all populations; NaN without weights."""
    from workbench.refinement.weights import importance_weights

    ratios = [p.log_ratio for p in populations if p.log_ratio is not None]
    if not ratios:
        return NAN, NAN
    weights = importance_weights(torch.cat(ratios))
    return weights.size, weights.pareto_k


def _pool(
    populations: Sequence[_Population], shares: Tensor, draws: int, generator: torch.Generator
) -> Tensor:
    """Return ``draws`` states (n, D) of the populations in proportion to their shares, the latest first."""
    counts = [round(float(share) * draws) for share in shares]
    counts[int(shares.argmax())] += draws - sum(counts)
    parts = []
    for population, count in zip(populations, counts, strict=True):
        states = torch.cat(population.states[::-1])
        if count > len(states):  # states stand for more than one draw where a population counts for more
            rows = torch.randint(len(states), (count - len(states),), generator=generator)
            states = torch.cat([states, states[rows]])
        parts.append(states[:count])
    return torch.cat(parts)


def _warnings(
    populations: Sequence[_Population],
    shares: Tensor,
    acceptance: float,
    pareto_k: float,
    amortised: AmortisedPosterior,
) -> tuple[str, ...]:
    warnings = []
    if not amortised.has_density:
        warnings.append(
            "The network has no density to weight its draws with: the moves alone must find how much "
            "each mode weighs."
        )
    elif pareto_k > UNRELIABLE:
        warnings.append(
            f"The network's own draws could not simply be weighted (Pareto k̂ above {UNRELIABLE}); modes "
            "without a draw of the network nearby may still be missing. Refine with another seed and compare."
        )
    if acceptance < _LOW_ACCEPTANCE:
        warnings.append("Few moves are accepted: take more moves.")
    if not all(p.forgetful for p in populations):
        warnings.append(
            f"Walkers still depend on where they were after {_MOST_MOVES} moves of a stage: evidence and "
            "shares of modes may be off by more than they claim. Train the network longer."
        )
    if len(populations) == 1:
        warnings.append(
            "There is a single population of walkers, so that the error of the evidence is not known: take a "
            "larger crowd."
        )
    elif sentence := _disagreement(populations, shares, has_density=amortised.has_density):
        warnings.append(sentence)
    return tuple(warnings)


def _disagreement(populations: Sequence[_Population], shares: Tensor, *, has_density: bool) -> str:
    """Report how far the populations differ in evidence or means; empty where they agree."""
    logs = torch.tensor([p.log_evidence for p in populations])
    states = [torch.cat(p.states) for p in populations]
    means = torch.stack([x.mean(0) for x in states])
    width = torch.cat(states).std(0)
    apart = float((means.std(0) / width.clamp(min=torch.finfo(width.dtype).tiny)).max())
    scatter = float(logs.std()) if has_density else 0.0
    if apart <= _DISAGREEMENT and scatter <= _SCATTER:
        return ""
    return (
        f"The {len(populations)} populations of walkers disagree: their means scatter by {apart:.2g} "
        f"standard deviations and their log evidences by {scatter:.2g} nats. The shares of modes and the "
        "evidence are not to be relied on: take a larger crowd and more moves, or train the network longer."
    )


def _possible(x: Tensor, amortised: AmortisedPosterior) -> Tensor:
    """Return the rows of x (n, D) with a positive exact density; `DataError` for too few."""
    possible = x[amortised.log_joint(x).isfinite()]
    if len(possible) < _FEWEST_POSSIBLE:
        raise DataError(
            "Hardly any draw of the network is possible at all",
            found=f"{len(possible)} of {len(x)} with a density above zero",
        )
    return possible


def _tempered(amortised: AmortisedPosterior, beta: float) -> Callable[[Tensor], Tensor]:
    """Return the function log π_β, (1 − β) log q(x | y) + β log p(x, y); −∞ where p is zero."""

    def log_target(x: Tensor) -> Tensor:
        log_p = amortised.log_joint(x)
        mixture = (1 - beta) * amortised.log_density(x) + beta * log_p
        return torch.where(log_p.isfinite(), mixture.nan_to_num(nan=-math.inf), -math.inf)

    return log_target


def _step(log_ratio: Tensor, most: float, enough: float) -> float:
    """Return the largest increase of β, up to ``most``, whose weights leave ``enough`` effective draws."""
    from workbench.refinement.weights import effective_size

    if not log_ratio.isfinite().any():
        return 0.0
    # impossible draws have no weight at any power: the others cannot give more than their number
    enough = min(enough, 0.9 * float(log_ratio.isfinite().sum()))
    if effective_size(most * log_ratio) >= enough:
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective_size(middle * log_ratio) >= enough else (low, middle)
    return low
