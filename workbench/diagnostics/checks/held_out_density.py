"""How likely the model finds fresh data, against what is possible, and against its own draws.

Score        mean of log q(x | y) over fresh pairs, in nats.
Gap          where the target is known: mean of log p − log q = KL(p ‖ q). log p(x | y) is the density of
             the problem, or its joint density over the evidence, log p(y) ≈ log mean_l p(x̃_l, y) / q(x̃_l
             | y) with x̃ ~ q, which is exact for an exact model and makes the gap of a bad one too large,
             never too small on average.
Test         under the exact model the rank of log q(x | y) among log q of the model's own draws is uniform:
             too low means that the data surprise the model, too high that the model is wider than the data.
Verdict      green: p at least the level and gap at most 0.05. Amber: the gap is at most 0.3, or unknown
             while the ranks' law is less than 0.1 away. Red otherwise.
"""

from __future__ import annotations

import math

import numpy as np
import param
import torch

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    Diagnostic,
    dataset,
    draws,
    fresh,
    lost_share,
    on_cpu,
)
from workbench.inference.statistics import percent, uniform_ranks, uniformity

GREEN_GAP, AMBER_GAP, SMALL_DISTANCE = 0.05, 0.3, 0.1


@DIAGNOSTICS.register
class HeldOutDensity(Diagnostic):
    """The score of fresh data, with the best possible one where it is known."""

    key = "held_out_density"
    title = "Held-out density"
    summary = (
        "Mean log density of fresh data, against the best possible where known and the model's own draws."
    )
    reference = "Gneiting and Raftery 2007 (logarithmic score); Talts et al. 2018, arXiv 1804.06788 (ranks)"
    checked = "How probable fresh data are under the model, and whether the model is surprised by them."
    remedy = (
        "Too low on fresh data: more simulations or earlier stopping. Too low everywhere: a larger network."
    )
    needs_model = frozenset({Capability.DENSITY})
    thorough = {"points": 5000, "draws": 100}

    points = param.Integer(500, bounds=(20, 100_000), doc="Number of fresh points.")
    draws = param.Integer(40, bounds=(5, 1000), doc="The model's own draws for each of them.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.points, seed)
        count, y = len(data.x), data.observation()
        score = on_cpu(fitted.log_prob(data.x, y))
        drawn = draws(fitted, y, count, self.draws, seed).reshape(count * self.draws, -1)
        lost = lost_share(drawn)
        drawn = drawn.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        rows = None if y is None else y.repeat_interleave(self.draws, 0)
        own = on_cpu(fitted.log_prob(drawn, rows))
        ranks = uniform_ranks(score.numpy(), own.reshape(count, -1).numpy(), np.random.default_rng(seed))
        test = uniformity(ranks, self.level)
        target = _target(problem, data, drawn, own, rows)
        gaps = (target - score).numpy()
        known = bool(np.isfinite(gaps).all())
        gap = float(gaps.mean()) if known else np.nan
        finite = bool(score.isfinite().all())
        verdict = _verdict(test.p, self.level, gap, test.distance) if finite and lost == 0 else "red"
        return dataset(
            {
                "score": (
                    (),
                    float(score.mean()),
                    {"long_name": "mean log density of fresh data", "units": "nats"},
                ),
                "score_error": ((), float(score.std()) / math.sqrt(count), {"long_name": "standard error"}),
                "own_score": (
                    (),
                    float(own.mean()),
                    {"long_name": "of the model's own draws", "units": "nats"},
                ),
                "target_score": ((), float(target.mean()) if known else np.nan, {"units": "nats"}),
                "gap": ((), gap, {"long_name": "Kullback-Leibler divergence of the model", "units": "nats"}),
                "gap_error": ((), float(gaps.std(ddof=1)) / math.sqrt(count) if known else np.nan),
                "p": ((), test.p),
                "distance": ((), test.distance),
                "non_finite_share": ((), lost),
            },
            verdict=verdict,
            sentence=_sentence(float(score.mean()), gap, test.p, lost),
            data=data,
        )


def _target(problem, data, drawn, own, rows) -> torch.Tensor:
    """log p(x | y) (n,) of the fresh data where the problem knows it, otherwise NaN."""
    given = problem.capabilities
    if not data.y.shape[1] and Capability.LOG_DENSITY in given:
        return problem.log_density(data.x)
    if data.y.shape[1] and Capability.LOG_JOINT in given:
        ratio = (problem.log_joint(drawn, rows) - own).reshape(len(data.x), -1)
        return problem.log_joint(data.x, data.y) - (ratio.logsumexp(1) - math.log(ratio.shape[1]))
    return torch.full((len(data.x),), torch.nan, dtype=torch.float64)


def _verdict(p: float, level: float, gap: float, distance: float) -> str:
    if math.isnan(gap):
        return "green" if p >= level else "amber" if distance < SMALL_DISTANCE else "red"
    if p >= level and gap <= GREEN_GAP:
        return "green"
    return "amber" if gap <= AMBER_GAP else "red"


def _sentence(score: float, gap: float, p: float, lost: float) -> str:
    known = "" if math.isnan(gap) else f", {max(gap, 0.0):.3g} nats below the best possible"
    gone = f" {percent(lost)} of the draws are not finite." if lost else ""
    return f"Fresh data score {score:.4g} nats{known}; p {p:.2g} against the model's own draws.{gone}"
