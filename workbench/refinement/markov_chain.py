"""Sequential Monte Carlo from the network's posterior to the exact one, with Markov chain moves.

stages    π_β(x) ∝ q(x | y)^(1−β) p(x, y)^β, 0 = β₀ < β₁ < … < 1. Draws of one stage are weighted and
          resampled for the next, whose β is the largest that leaves half of them effective, and moved under
          its density. For a network that is nearly right one stage is enough: sampling-importance-resampling.
evidence  log p(y) = Σ over the stages of the log mean weight
draws     the ensemble after its last moves, stored every few moves until there are enough
Source: Del Moral, Doucet & Jasra 2006, Sequential Monte Carlo samplers; Chopin 2002.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
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

if TYPE_CHECKING:
    from torch import Tensor

#: Draws of the network for each walker: the first stage resamples from them.
_CANDIDATES = 10
_MOST_STAGES = 200
#: Below this acceptance rate a warning is given.
_LOW_ACCEPTANCE = 0.05
#: Smallest number of draws with a positive exact density to start from.
_FEWEST_POSSIBLE = 50


@dataclass
class _Progress:
    """Measurements of the stages so far: their number, log evidence, and the weights' quality."""

    stages: int = 0
    log_evidence: float = 0.0
    variance: float = 0.0
    size: float = NAN
    pareto_k: float = NAN
    draws: int = 0


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
        Walkers that are moved together. More of them cover more modes.""",
    )
    moves = param.Integer(
        30,
        bounds=(1, 10_000),
        doc="""
        Moves of each walker under the exact density before the first draws are stored.""",
    )
    between = param.Integer(
        5,
        bounds=(1, 1000),
        doc="""
        Moves after which the walkers are stored again, and moves at each stage.""",
    )

    def _refine(self, amortised: AmortisedPosterior, generator: torch.Generator) -> RefinedPosterior:
        from workbench.refinement.moves import WalkerEnsemble

        start, progress = time.perf_counter(), _Progress()
        walkers = WalkerEnsemble(self._approach(amortised, generator, progress), generator)
        rates = [walkers.move(amortised.log_joint, self.moves)]
        states = [walkers.x]
        while sum(len(x) for x in states) < self.draws:
            rates.append(walkers.move(amortised.log_joint, self.between))
            states.append(walkers.x)
        x, acceptance = torch.cat(states)[-self.draws :], sum(rates) / len(rates)
        has_density = amortised.has_density
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            progress.draws,
            progress.size,
            progress.pareto_k,
            acceptance,
            progress.log_evidence if has_density else NAN,
            math.sqrt(progress.variance) if has_density else NAN,
            progress.stages,
            evaluations=amortised.evaluations,
            warnings=_warnings(progress, acceptance, has_density),
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

    def _approach(
        self, amortised: AmortisedPosterior, generator: torch.Generator, progress: _Progress
    ) -> Tensor:
        """Return walkers (N, D) distributed like the exact posterior, before the final moves."""
        from workbench.problems.ensemble_sampler import resample
        from workbench.refinement.moves import WalkerEnsemble
        from workbench.refinement.weights import importance_weights

        x = amortised.draw(self.crowd * (_CANDIDATES if amortised.has_density else 2), generator)
        progress.draws = len(x)
        if not amortised.has_density:
            return _possible(x, amortised)[: self.crowd]
        log_q, log_p = amortised.log_density(x), amortised.log_joint(x)
        first = importance_weights(log_p - log_q)
        progress.size, progress.pareto_k = first.size, first.pareto_k
        beta, enough = 0.0, self.crowd
        while beta < 1:
            step = _step(log_p - log_q, 1 - beta, enough)
            if step <= 1e-9 or progress.stages >= _MOST_STAGES:
                raise DataError(
                    "The exact posterior is out of the network's reach",
                    found=f"after {progress.stages} stages the walkers stand at β = {beta:.2g} of 1",
                    suggestion="train the network longer, or look at its posterior first",
                )
            ratio = step * (log_p - log_q)
            log_weights = ratio - ratio.logsumexp(0)
            progress.log_evidence += float(ratio.logsumexp(0)) - math.log(len(x))
            progress.variance += max(float((2 * log_weights).logsumexp(0).exp()) - 1 / len(x), 0.0)
            rows = resample(log_weights, self.crowd, generator)
            beta, enough, progress.stages = min(1.0, beta + step), self.crowd / 2, progress.stages + 1
            x, log_q, log_p = x[rows], log_q[rows], log_p[rows]
            if beta < 1:
                walkers = WalkerEnsemble(x, generator)
                walkers.move(_tempered(amortised, beta), self.between)
                x = walkers.x
                log_q, log_p = amortised.log_density(x), amortised.log_joint(x)
        return x


def _warnings(progress: _Progress, acceptance: float, has_density: bool) -> tuple[str, ...]:
    warnings = []
    if not has_density:
        warnings.append(
            "The network has no density to weight its draws with: the moves alone must find how much "
            "each mode weighs."
        )
    elif progress.pareto_k > UNRELIABLE:
        warnings.append(
            f"The network's own draws could not simply be weighted (Pareto k̂ above {UNRELIABLE}); modes "
            "without a draw of the network nearby may still be missing. Refine with another seed and compare."
        )
    if acceptance < _LOW_ACCEPTANCE:
        warnings.append("Few moves are accepted: take more moves.")
    return tuple(warnings)


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
