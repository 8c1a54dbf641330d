"""Importance sampling: draws of the network, weighted by p(x, y) / q(x | y)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.refinement.base import (
    REFINEMENT,
    UNRELIABLE,
    AmortisedPosterior,
    Gain,
    RefinedPosterior,
    Refinement,
)
from workbench.refinement.prior_check import missing_mode_warnings

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@REFINEMENT.register
class ImportanceSampling(Refinement):
    """Importance sampling with Pareto-smoothed weights p(x, y) / q(x | y); `sample` resamples by them."""

    key = "importance"
    title = "Importance sampling"
    summary = "Weights the network's draws by the exact joint density; gives the evidence besides."
    reference = (
        "Vehtari et al. 2024, arXiv 1507.02646; Dax et al. 2023, arXiv 2210.05686; "
        "Rubin 1988 (sampling-importance-resampling)"
    )
    needs_model = frozenset({Capability.DENSITY})
    needs_problem = frozenset({Capability.LOG_JOINT})

    draws = param.Integer(
        20_000,
        bounds=(100, 10_000_000),
        doc="""
        Draws of the network that are weighted. The effective sample size grows in proportion.""",
    )

    def _refine(self, amortised: AmortisedPosterior, generator: torch.Generator) -> RefinedPosterior:
        from workbench.problems.ensemble_sampler import resample
        from workbench.refinement.weights import importance_weights

        start = time.perf_counter()
        x = amortised.draw(self.draws, generator)
        weights = importance_weights(amortised.log_joint(x) - amortised.log_density(x))
        missing = missing_mode_warnings(
            amortised, weights.log_evidence, weights.log_evidence_error, generator
        )
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            self.draws,
            weights.size,
            weights.pareto_k,
            log_evidence=weights.log_evidence,
            log_evidence_error=weights.log_evidence_error,
            evaluations=amortised.evaluations,
            warnings=(*tail_warnings(weights.pareto_k), *missing),
        )

        def draw(n: int, own: torch.Generator) -> Tensor:
            return x[resample(weights.log, n, own)]

        return RefinedPosterior(draw, amortised, gain, weighted=(x, weights.log))


def tail_warnings(pareto_k: float, proposal: str = "the network") -> tuple[str, ...]:
    """Return a warning if k̂, the shape of the weights' tail, is above `UNRELIABLE`; else an empty tuple."""
    if pareto_k <= UNRELIABLE:
        return ()
    return (
        f"The weights are not to be relied on (Pareto k̂ above {UNRELIABLE}): a few draws count for too much, "
        f"because {proposal} misses parts of the exact posterior. Take the markov_chain method, "
        "or train the network longer.",
    )
