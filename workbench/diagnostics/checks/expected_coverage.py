"""Do the model's regions of highest density hold the truth as often as they say?

Region       HPD(c | y): the region of highest posterior density that holds the share c of the posterior.
             The smallest c whose region holds the truth is the share of the model's own draws that are
             denser than the truth, log q(x̃ | y) > log q(x | y).
Coverage     share of fresh pairs whose truth lies in HPD(c | y); equals c for every c if the posterior is
             exact. Below: overconfident. Above: conservative.
Test         one simultaneous test of uniformity for the whole curve.
Verdict      green: p at least the level. Amber: below, but coverage is off by less than 0.05 everywhere. Red
             otherwise.
Blind to     whatever keeps the densities' order, and to an answer that ignores y.
"""

from __future__ import annotations

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    draws,
    fresh,
    lost_share,
    on_cpu,
)
from workbench.inference.statistics import percent, uniform_ranks, uniformity

SMALL = 0.05


@DIAGNOSTICS.register
class ExpectedCoverage(Diagnostic):
    """Expected coverage of the regions of highest density."""

    key = "expected_coverage"
    title = "Expected coverage"
    summary = "How often regions of highest posterior density hold the truth, against how often they should."
    reference = "Hermans et al. 2022, arXiv 2110.06581; Deistler et al. 2022, arXiv 2210.04815"
    checked = "Whether the region that claims to hold, say, 90 % of the posterior holds the truth that often."
    remedy = (
        "Overconfident: train on more simulations, stop earlier, or average several networks. Conservative: "
        "train longer or with a larger network."
    )
    needs_model = frozenset({Capability.DENSITY})
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000, "draws": 500}

    observations = param.Integer(500, bounds=(20, 20_000), doc="Number of fresh pairs.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        count = len(data.x)
        drawn = draws(fitted, data.y, count, self.draws, seed)
        lost = lost_share(drawn)
        safe = drawn.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).reshape(count * self.draws, -1)
        theirs = on_cpu(fitted.log_prob(safe, data.y.repeat_interleave(self.draws, 0)))
        own = on_cpu(fitted.log_prob(data.x, data.y)).numpy()
        u = uniform_ranks(-own, -theirs.reshape(count, -1).numpy(), np.random.default_rng(seed))
        test = uniformity(u, self.level)
        lean = float(test.difference.mean())
        verdict = "green" if test.p >= self.level else "amber" if test.distance < SMALL else "red"
        return dataset(
            {
                "coverage": ("credibility", test.grid + test.difference, {"long_name": "expected coverage"}),
                "low": ("credibility", test.grid + test.low),
                "high": ("credibility", test.grid + test.high),
                "distance": ((), test.distance, {"long_name": "largest error of the coverage"}),
                "lean": ((), lean, {"long_name": "mean of coverage minus credibility"}),
                "p": ((), test.p),
                "non_finite_share": ((), lost),
            },
            verdict="red" if lost > NON_FINITE_SHARE else verdict,
            sentence=_sentence(verdict, test.distance, lean, test.p, lost, count),
            data=data,
            credibility=("credibility", test.grid),
        )


def _sentence(verdict: str, distance: float, lean: float, p: float, lost: float, count: int) -> str:
    if lost > NON_FINITE_SHARE:
        return f"{percent(lost)} of the posterior's draws are not finite."
    kind = "" if verdict == "green" else ", overconfident" if lean < 0 else ", conservative"
    return (
        f"The coverage of regions of highest density is off by {distance:.3g} at most{kind}, over {count} "
        f"observations; p {p:.2g}."
    )
