"""Does the posterior, sent through the simulator again, land on the observation?

Error        Err_resim = E ‖s(x̃) − y‖² over fresh y and x̃ ~ model(· | y), in squared units of y; as
             published the mean of an observation is clamped at 10.
Floor        the same for the x that made y: that x is itself a draw of the exact posterior. With noise it
             is not 0.
Baseline     the same for x of other observations: an answer that ignores y.
Share        (error − floor) / (baseline − floor): 0 exact, 1 useless, negative too narrow.
Test         under the exact posterior the mean of (error − floor) of an observation is zero (t test), and the
             rank of the truth's own error among those of the draws is uniform; the smaller p value, doubled.
Verdict      green: p at least the level, or |share| under 0.002. Amber: |share| under 0.05. Red otherwise.
Blind to     a missing mode, and to everything else that the simulator does not see.
"""

from __future__ import annotations

import numpy as np
import param
import torch
from scipy.stats import ttest_1samp

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    draws,
    fresh,
    lost_share,
)
from workbench.inference.statistics import uniform_ranks, uniformity

GREEN_SHARE, AMBER_SHARE, CLAMP = 0.002, 0.05, 10.0


@DIAGNOSTICS.register
class ResimulationError(Diagnostic):
    """Err_resim with its floor and its baseline."""

    key = "resimulation_error"
    title = "Resimulation error"
    summary = (
        "Sends posterior draws through the simulator again; with a floor and a baseline to compare with."
    )
    reference = "Kruse et al. 2021, arXiv 2101.10763, equation 11"
    checked = "Whether the posterior, sent through the simulator again, lands on the observation."
    remedy = "Train longer or with a larger network; a negative share means a posterior that is too narrow."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.SIMULATE})
    thorough = {"observations": 1000, "draws": 1000}

    observations = param.Integer(400, bounds=(20, 10_000), doc="Number of fresh observations.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        count = len(data.x)
        drawn = draws(fitted, data.y, count, self.draws, seed)
        generator = torch.Generator().manual_seed(seed + 3)

        def distances(x, y) -> np.ndarray:
            return (problem.simulate(x, generator) - y).square().sum(1).double().numpy()

        low, high = (torch.tensor([getattr(v, end) for v in problem.x]).double() for end in ("low", "high"))
        # outside its bounds a simulator need not answer: the nearest point inside stands for such a draw
        inside = torch.minimum(torch.maximum(drawn.nan_to_num(), low), high)
        rows = data.y.repeat_interleave(self.draws, 0)
        errors = distances(inside.reshape(-1, drawn.shape[2]), rows).reshape(count, -1)
        # a draw that the simulator cannot answer is lost, like one that the network could not make
        answered = np.isfinite(errors)
        lost = max(lost_share(drawn), 1 - float(answered.mean()))
        errors = np.where(answered, errors, np.nan)
        floor, baseline = distances(data.x, data.y), distances(data.x.roll(1, 0), data.y)
        kept = answered.any(1) & np.isfinite(floor) & np.isfinite(baseline)
        if kept.sum() < 2:
            return _unanswered(data, lost)
        errors, floor, baseline = errors[kept], floor[kept], baseline[kept]
        each = np.nanmean(errors, 1)
        span = max(float(baseline.mean() - floor.mean()), 1e-300)
        share = float(each.mean() - floor.mean()) / span
        # a simulator without noise leaves rounding only, which has no rank
        tiny = 1e-12 * max(float(baseline.mean()), 1e-300)
        worst = np.nan_to_num(errors, nan=np.inf)
        ranks = uniform_ranks(
            np.where(floor < tiny, 0, floor), np.where(worst < tiny, 0, worst), np.random.default_rng(seed)
        )
        p = min(1.0, 2 * min(uniformity(ranks, self.level).p, _paired_p(each - floor, tiny)))
        verdict = _verdict(p, self.level, abs(share), lost)
        return dataset(
            {
                "error": ((), np.minimum(each, CLAMP).mean(), {"long_name": "Err_resim, clamped at 10"}),
                "median_error": ((), np.median(each)),
                "error_quartiles": ("quartile", np.quantile(each, [0.25, 0.75])),
                "error_by_observation": ("pair", each),
                "floor": ((), floor.mean(), {"long_name": "error of the exact posterior"}),
                "baseline": ((), baseline.mean(), {"long_name": "error of an answer that ignores y"}),
                "share": ((), share, {"long_name": "(error - floor) / (baseline - floor)"}),
                "p": ((), p),
                "observation": (("pair", "observed"), data.y.numpy()[kept]),
                "non_finite_share": ((), lost),
            },
            verdict=verdict,
            sentence=(
                f"Resimulated observations miss by {each.mean():.3g} (mean square); exact would be "
                f"{floor.mean():.3g}, ignoring the observation {baseline.mean():.3g}; p {p:.2g}."
            ),
            data=data,
            observed=("observed", [v.name for v in problem.y]),
        )


def _unanswered(data, lost: float):
    """What is said when the simulator answers hardly any draw."""
    return dataset(
        {"non_finite_share": ((), lost)},
        verdict="red",
        sentence=f"The simulator has no finite answer to {lost:.0%} of the posterior draws.",
        data=data,
    )


def _paired_p(excess: np.ndarray, tiny: float) -> float:
    """Two-sided p value of a mean of zero; 1 where there is nothing but rounding."""
    if np.abs(excess).max() <= tiny:
        return 1.0
    return float(ttest_1samp(excess, 0.0).pvalue)


def _verdict(p: float, level: float, share: float, lost: float) -> str:
    if lost > NON_FINITE_SHARE:
        return "red"
    if p >= level or share < GREEN_SHARE:
        return "green"
    return "amber" if share < AMBER_SHARE else "red"
