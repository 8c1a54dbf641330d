"""Importance sampling: draws of the network, weighted by how much too rare or too frequent they are."""

from __future__ import annotations

import time

import param

from workbench.core.capability import Capability
from workbench.problems.ensemble_sampler import resample
from workbench.refinement.base import REFINEMENT, UNRELIABLE, Amortised, Gain, RefinedPosterior, Refinement
from workbench.refinement.weights import weigh


@REFINEMENT.register
class ImportanceSampling(Refinement):
    """Weights p(x, y) / q(x | y), Pareto-smoothed; `sample` resamples by them."""

    key = "importance"
    title = "Importance sampling"
    summary = "Weighs the network's draws by the exact joint density; gives the evidence besides."
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
        Draws of the network that are weighed. More draws are worth more, in proportion.""",
    )

    def _refine(self, amortised: Amortised, generator) -> RefinedPosterior:
        start = time.perf_counter()
        x = amortised.draw(self.draws, generator)
        weights = weigh(amortised.log_joint(x) - amortised.log_density(x))
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            self.draws,
            weights.size,
            weights.pareto_k,
            log_evidence=weights.log_evidence,
            log_evidence_error=weights.log_evidence_error,
            evaluations=amortised.evaluations,
            warnings=warnings(weights.pareto_k),
        )

        def draw(n, own):
            return x[resample(weights.log, n, own)]

        return RefinedPosterior(draw, amortised, gain, weighted=(x, weights.log))


def warnings(pareto_k: float, proposal: str = "the network") -> tuple[str, ...]:
    """What weights with such a tail mean, in words, for draws of a proposal."""
    if pareto_k <= UNRELIABLE:
        return ()
    return (
        f"The weights are not to be relied on (Pareto k̂ above {UNRELIABLE}): a few draws count for too much, "
        f"because {proposal} misses parts of the exact posterior. Take the markov_chain method, "
        "or train the network longer.",
    )
