"""From the network's draws to the exact posterior in as many stages as are needed, and there with moves.

stages    π_β(x) ∝ q(x | y)^(1−β) p(x, y)^β, 0 = β₀ < β₁ < … < 1. Draws of one stage are weighed and resampled
          for the next, whose β is as large as leaves half of them effective, and moved under its density.
          A network that is nearly right is left in one step: sampling-importance-resampling.
evidence  log p(y) = Σ over the stages of the log mean weight
draws     the crowd after its last moves, kept every few moves until there are enough
Source: Del Moral, Doucet & Jasra 2006, Sequential Monte Carlo samplers; Chopin 2002.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import param
import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.problems.ensemble_sampler import resample
from workbench.refinement.base import (
    NAN,
    REFINEMENT,
    UNRELIABLE,
    Amortised,
    Gain,
    RefinedPosterior,
    Refinement,
)
from workbench.refinement.moves import Crowd
from workbench.refinement.weights import weigh

#: Draws of the network for each one that is moved: the first stage has the most to choose from.
_CHOICE = 10
_MOST_STAGES = 200
_FEW_ACCEPTED = 0.05


@dataclass
class _Way:
    """What was measured on the way."""

    stages: int = 0
    log_evidence: float = 0.0
    variance: float = 0.0
    size: float = NAN
    pareto_k: float = NAN
    draws: int = 0


@REFINEMENT.register
class MarkovChain(Refinement):
    """Tempered from the network to the exact posterior, with Markov chain moves at each stage."""

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
        Draws that are kept: as many as can be sampled.""",
    )
    crowd = param.Integer(
        2000,
        bounds=(50, 4000),
        doc="""
        Draws that are moved together. More of them hold more modes.""",
    )
    moves = param.Integer(
        30,
        bounds=(1, 10_000),
        doc="""
        Moves of each draw under the exact density before the first are kept.""",
    )
    between = param.Integer(
        5,
        bounds=(1, 1000),
        doc="""
        Moves between two times that the crowd is kept, and at each stage on the way.""",
    )

    def _refine(self, amortised: Amortised, generator) -> RefinedPosterior:
        start, way = time.perf_counter(), _Way()
        crowd = Crowd(self._approach(amortised, generator, way), generator)
        accepted = [crowd.move(amortised.log_joint, self.moves)]
        kept = [crowd.x]
        while sum(len(x) for x in kept) < self.draws:
            accepted.append(crowd.move(amortised.log_joint, self.between))
            kept.append(crowd.x)
        x, acceptance = torch.cat(kept)[-self.draws :], sum(accepted) / len(accepted)
        known = amortised.has_density
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            way.draws,
            way.size,
            way.pareto_k,
            acceptance,
            way.log_evidence if known else NAN,
            math.sqrt(way.variance) if known else NAN,
            way.stages,
            evaluations=amortised.evaluations,
            warnings=self._warnings(way, acceptance, known),
        )

        def draw(n, own):
            if n > len(x):
                raise DataError(
                    "There are fewer draws than were asked for",
                    expected=f"at most {len(x)}",
                    found=str(n),
                    suggestion=f"refine with draws={n}",
                )
            return x[torch.randperm(len(x), generator=own)[:n]]

        return RefinedPosterior(draw, amortised, gain)

    def _approach(self, amortised: Amortised, generator, way: _Way) -> Tensor:
        """A crowd (N, D) that stands for the exact posterior, up to the moves that follow."""
        x = amortised.draw(self.crowd * (_CHOICE if amortised.has_density else 2), generator)
        way.draws = len(x)
        if not amortised.has_density:
            return _possible(x, amortised)[: self.crowd]
        log_q, log_p = amortised.log_density(x), amortised.log_joint(x)
        first = weigh(log_p - log_q)
        way.size, way.pareto_k = first.size, first.pareto_k
        beta, enough = 0.0, self.crowd
        while beta < 1:
            step = _step(log_p - log_q, 1 - beta, enough)
            if step <= 1e-9 or way.stages >= _MOST_STAGES:
                raise DataError(
                    "The exact posterior is out of the network's reach",
                    found=f"after {way.stages} stages the crowd stands at β = {beta:.2g} of 1",
                    suggestion="train the network longer, or look at its posterior first",
                )
            ratio = step * (log_p - log_q)
            raw = ratio - ratio.logsumexp(0)
            way.log_evidence += float(ratio.logsumexp(0)) - math.log(len(x))
            way.variance += max(float((2 * raw).logsumexp(0).exp()) - 1 / len(x), 0.0)
            rows = resample(raw, self.crowd, generator)
            beta, enough, way.stages = min(1.0, beta + step), self.crowd / 2, way.stages + 1
            x, log_q, log_p = x[rows], log_q[rows], log_p[rows]
            if beta < 1:
                here = Crowd(x, generator)
                here.move(_between(amortised, beta), self.between)
                x = here.x
                log_q, log_p = amortised.log_density(x), amortised.log_joint(x)
        return x

    def _warnings(self, way: _Way, acceptance: float, known: bool) -> tuple[str, ...]:
        told = []
        if not known:
            told.append(
                "The network has no density to weigh its draws with: the moves alone must find how much "
                "each mode weighs."
            )
        elif way.pareto_k > UNRELIABLE:
            told.append(
                f"The network's own draws could not simply be weighed (Pareto k̂ above {UNRELIABLE}); "
                "what it has no draws near to may be missing still. Refine with another seed and compare."
            )
        if acceptance < _FEW_ACCEPTED:
            told.append("Few moves are accepted: take more moves.")
        return tuple(told)


def _possible(x: Tensor, amortised: Amortised) -> Tensor:
    kept = x[amortised.log_joint(x).isfinite()]
    if len(kept) < 50:
        raise DataError(
            "Hardly any draw of the network is possible at all",
            found=f"{len(kept)} of {len(x)} with a density above zero",
        )
    return kept


def _between(amortised: Amortised, beta: float):
    """log π_β; where the exact density is zero, so is this one."""

    def log_target(x: Tensor) -> Tensor:
        log_p = amortised.log_joint(x)
        mixed = (1 - beta) * amortised.log_density(x) + beta * log_p
        return torch.where(log_p.isfinite(), mixed.nan_to_num(nan=-math.inf), -math.inf)

    return log_target


def _step(log_ratio: Tensor, most: float, enough: float) -> float:
    """The largest power up to ``most`` whose weights leave ``enough`` draws effective, by bisection."""

    def size(power: float) -> float:
        scaled = power * log_ratio
        return float(torch.exp(2 * scaled.logsumexp(0) - (2 * scaled).logsumexp(0)))

    if not log_ratio.isfinite().any():
        return 0.0
    # impossible draws are lost at any power: what is left cannot ask for more than itself
    enough = min(enough, 0.9 * float(log_ratio.isfinite().sum()))
    if size(most) >= enough:
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if size(middle) >= enough else (low, middle)
    return low
