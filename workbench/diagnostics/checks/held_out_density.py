"""Log density of held-out data, against the best possible one and against the model's own draws.

Score        mean of log q(x | y) over fresh pairs, in nats.
Gap          where the exact density p is known: mean of log p − log q, an estimate of KL(p ‖ q). log p(x | y)
             is the density of the problem, or its joint density over the evidence,
             log p(y) ≈ log mean_l p(x̃_l, y) / q(x̃_l | y) with x̃ ~ q; this is exact for an exact model and
             makes the gap of a bad one too large, never too small on average.
Test         under the exact model the rank of log q(x | y) among log q of the model's own draws is uniform:
             too low means that the data are improbable under the model, too high that the model is wider
             than the data.
Severity     displacement of the truths' radius that makes the ranks uniform, were the posterior normal, per
             dimension.
Verdict      green: p at least the level and gap at most 0.05. Amber: the gap is at most 0.3, or unknown
             while the severity is under 0.125. Red otherwise, and where the density of a fresh point is zero
             or more than 0.1 % of the draws are not finite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    HeldOutPairs,
    dataset,
    finite,
    held_out_pairs,
    log_density_of_draws,
    non_finite_share,
    on_cpu,
    posterior_draws,
)

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

GREEN_GAP, AMBER_GAP = 0.05, 0.3


@DIAGNOSTICS.register
class HeldOutDensity(Diagnostic):
    """Check of the mean log density of fresh data, against the best possible one where that is known."""

    key = "held_out_density"
    title = "Held-out density"
    summary = (
        "Mean log density of fresh data, against the best possible where known and the model's own draws."
    )
    reference = "Gneiting and Raftery 2007 (logarithmic score); Talts et al. 2018, arXiv 1804.06788 (ranks)"
    purpose = "How probable fresh data are under the model, compared with the model's own draws."
    remedy = (
        "Too low on fresh data: more simulations or earlier stopping. Too low everywhere: a larger network."
    )
    needs_model = frozenset({Capability.DENSITY})
    thorough = {"points": 5000, "draws": 100}

    points = param.Integer(500, bounds=(20, 100_000), doc="Number of fresh points.")
    draws = param.Integer(40, bounds=(5, 1000), doc="The model's own draws for each of them.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.diagnostics.severity import rank_displacement
        from workbench.inference.statistics import uniform_ranks, uniformity

        data = held_out_pairs(fitted, problem, self.points, seed)
        count, y = len(data.x), data.observation()
        score = on_cpu(fitted.log_prob(data.x, y))
        samples = posterior_draws(fitted, y, count, self.draws, seed)
        non_finite = non_finite_share(samples)
        usable, samples = samples.isfinite().all(2), finite(samples)
        # a draw that is not finite has no density: it counts as the least probable one
        own = log_density_of_draws(fitted, samples, y).where(usable, -torch.inf)
        ranks = uniform_ranks(
            score.nan_to_num(nan=-torch.inf).numpy(), own.numpy(), np.random.default_rng(seed)
        )
        test, severity = uniformity(ranks, self.level), rank_displacement(1 - ranks, len(problem.x))
        target = _target(problem, data, samples, own)
        gaps = (target - score).numpy()
        has_target = bool(np.isfinite(gaps).all())
        gap = float(gaps.mean()) if has_target else np.nan
        valid = bool(score.isfinite().all()) and non_finite <= NON_FINITE_SHARE
        certain = not valid or gap > GREEN_GAP  # an exact model has no gap, whatever the draws
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
                    float(own[usable].mean()),
                    {"long_name": "of the model's own draws", "units": "nats"},
                ),
                "target_score": ((), float(target.mean()) if has_target else np.nan, {"units": "nats"}),
                "gap": ((), gap, {"long_name": "Kullback-Leibler divergence of the model", "units": "nats"}),
                "gap_error": ((), float(gaps.std(ddof=1)) / math.sqrt(count) if has_target else np.nan),
                "p": ((), test.p),
                "distance": ((), test.distance),
                "non_finite_share": ((), non_finite),
            },
            verdict=_verdict(test.p, self.level, gap, severity) if valid else "red",
            sentence=_sentence(score, gap, test.p, non_finite),
            data=data,
            p_value=0.0 if certain else test.p,
            severity=severity,
        )


def _target(problem: Problem, data: HeldOutPairs, samples: Tensor, own: Tensor) -> Tensor:
    """Return the exact log p(x | y) (n,) of the fresh data, NaN where the problem does not know it.

    ``samples`` (n, L, D) are draws of the model and ``own`` (n, L) their log densities under the model.
    """
    capabilities, (count, each) = problem.capabilities, own.shape
    if not data.y.shape[1] and Capability.LOG_DENSITY in capabilities:
        return problem.log_density(data.x)
    if data.y.shape[1] and Capability.LOG_JOINT in capabilities:
        rows = data.y.repeat_interleave(each, 0)
        log_joint = problem.log_joint(samples.reshape(count * each, -1), rows)
        usable = own.isfinite()
        ratio = (log_joint.reshape(count, each) - own).where(usable, -torch.inf)
        log_evidence = ratio.logsumexp(1) - usable.sum(1).clamp(min=1).double().log()
        return problem.log_joint(data.x, data.y) - log_evidence
    return torch.full((count,), torch.nan, dtype=torch.float64)


def _verdict(p: float, level: float, gap: float, severity: float) -> str:
    from workbench.diagnostics.severity import SMALL_SEVERITY

    if math.isnan(gap):
        return "green" if p >= level else "amber" if severity < SMALL_SEVERITY else "red"
    if p >= level and gap <= GREEN_GAP:
        return "green"
    return "amber" if gap <= AMBER_GAP else "red"


def _sentence(score: Tensor, gap: float, p: float, non_finite: float) -> str:
    from workbench.inference.statistics import percent

    zeros = int((~score.isfinite()).sum())
    if zeros:
        return f"{zeros} of {len(score)} fresh points have no density: the model says that they cannot occur."

    difference = "" if math.isnan(gap) else f", {max(gap, 0.0):.3g} nats below the best possible"
    loss = f" {percent(non_finite)} of the draws are not finite." if non_finite else ""
    start = f"Fresh data score {float(score.mean()):.4g} nats{difference}"
    return f"{start}; p {p:.2g} against the model's own draws.{loss}"
