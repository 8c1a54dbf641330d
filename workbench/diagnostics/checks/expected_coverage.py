"""Expected coverage: do the model's highest-density regions hold the truth as often as they claim?

Region       HPD(c | y): the region of highest posterior density with probability mass c. The smallest c whose
             region holds the truth is the fraction of the model's own draws x̃ with a higher density than the
             truth x, log q(x̃ | y) > log q(x | y).
Coverage     fraction of fresh pairs whose truth lies in HPD(c | y); equals c for every c if the posterior is
             exact. Below: overconfident. Above: conservative.
Test         one simultaneous test of uniformity for the whole curve.
Severity     displacement of the truths' radius that makes the curve right, were the posterior normal, per
             dimension: |1/w − 1| where every width is w times the right one.
Verdict      green: p at least the level. Amber: below, but the severity is under 0.125. Red otherwise.
Blind to     errors that preserve the order of the densities, and a posterior that ignores y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    held_out_pairs,
    log_density_of_draws,
    non_finite_share,
    on_cpu,
    posterior_draws,
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem


@DIAGNOSTICS.register
class ExpectedCoverage(Diagnostic):
    """Check of the expected coverage of highest-density regions."""

    key = "expected_coverage"
    title = "Expected coverage"
    summary = "How often regions of highest posterior density hold the truth, against how often they should."
    reference = "Hermans et al. 2022, arXiv 2110.06581; Deistler et al. 2022, arXiv 2210.04815"
    purpose = "Whether the region that claims to hold, say, 90 % of the posterior holds the truth that often."
    remedy = (
        "Overconfident: train on more simulations, stop earlier, or average several networks. Conservative: "
        "train longer or with a larger network."
    )
    needs_model = frozenset({Capability.DENSITY})
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000, "draws": 500}

    observations = param.Integer(500, bounds=(20, 20_000), doc="Number of fresh pairs.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.diagnostics.severity import SMALL_SEVERITY, rank_displacement
        from workbench.inference.statistics import uniform_ranks, uniformity

        data = held_out_pairs(fitted, problem, self.observations, seed)
        count = len(data.x)
        samples = posterior_draws(fitted, data.y, count, self.draws, seed)
        non_finite = non_finite_share(samples)
        log_draws = log_density_of_draws(fitted, samples, data.y).numpy()
        log_truth = on_cpu(fitted.log_prob(data.x, data.y)).numpy()
        ranks = uniform_ranks(-log_truth, -log_draws, np.random.default_rng(seed))
        test, severity = uniformity(ranks, self.level), rank_displacement(ranks, len(problem.x))
        lean = float(test.difference.mean())
        verdict = verdict_of(test.p, self.level, small=severity < SMALL_SEVERITY, non_finite=non_finite)
        return dataset(
            {
                "coverage": ("credibility", test.grid + test.difference, {"long_name": "expected coverage"}),
                "low": ("credibility", test.grid + test.low),
                "high": ("credibility", test.grid + test.high),
                "distance": ((), test.distance, {"long_name": "largest error of the coverage"}),
                "lean": ((), lean, {"long_name": "mean of coverage minus credibility"}),
                "p": ((), test.p),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict,
            sentence=_sentence(verdict, test.distance, lean, test.p, non_finite, count),
            data=data,
            p_value=test.p,
            severity=severity,
            credibility=("credibility", test.grid),
        )


def _sentence(verdict: str, distance: float, lean: float, p: float, non_finite: float, count: int) -> str:
    from workbench.inference.statistics import percent

    if non_finite > NON_FINITE_SHARE:
        return f"{percent(non_finite)} of the posterior's draws are not finite."
    kind = "" if verdict == "green" else ", overconfident" if lean < 0 else ", conservative"
    return (
        f"The coverage of regions of highest density is off by {distance:.3g} at most{kind}, over {count} "
        f"observations; p {p:.2g}."
    )
