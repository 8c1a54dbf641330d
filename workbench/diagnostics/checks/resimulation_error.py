"""Resimulation error: does the posterior, passed through the simulator, land on the observation?

Error        E ‖s(x̃) − y‖² / M over fresh y of M components and x̃ ~ model(· | y), with the simulator s, each
             component of y in its standard deviations; also as published (Err_resim): the sum in squared
             units of y, the mean at each observation clamped at 10.
Floor        the error with x̃ = x, from which y was simulated: x is a draw from the exact posterior. With
             noise it is not 0.
Baseline     the error with x̃ from another pair (x, y): that of a posterior that ignores y.
Share        (error − floor) / (baseline − floor): 0 exact, 1 useless, negative too narrow.
Test         under the exact posterior the mean of error − floor is zero (t test over the observations), and
             the rank of the truth's own error among those of the draws is uniform; the smaller p value,
             doubled.
Verdict      green: p at least the level, or |share| under 0.002. Amber: |share| under 0.05. Red otherwise.
Blind to     a missing mode, and other errors in x that do not change y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.scale import column_scale
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    WRONG_PLACE,
    Diagnostic,
    dataset,
    held_out_pairs,
    non_finite_share,
    posterior_draws,
    variable_names,
)
from workbench.diagnostics.checks.simulations import no_simulations, within_bounds

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

GREEN_SHARE, AMBER_SHARE, CLAMP = 0.002, 0.05, 10.0


@DIAGNOSTICS.register
class ResimulationError(Diagnostic):
    """Check of Err_resim, the mean squared error of resimulated observations."""

    key = "resimulation_error"
    title = "Resimulation error"
    summary = (
        "Sends posterior draws through the simulator again; with a floor and a baseline to compare with."
    )
    reference = "Kruse et al. 2021, arXiv 2101.10763, equation 11"
    purpose = "Whether the posterior, sent through the simulator again, lands on the observation."
    remedy = "Train longer or with a larger network; a negative share means a posterior that is too narrow."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.SIMULATE})
    thorough = {"observations": 1000, "draws": 1000}
    notices = frozenset({WRONG_PLACE})

    observations = param.Integer(400, bounds=(20, 10_000), doc="Number of fresh observations.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        data = held_out_pairs(fitted, problem, self.observations, seed)
        count = len(data.x)
        samples = posterior_draws(fitted, data.y, count, self.draws, seed)
        generator = torch.Generator().manual_seed(seed + 3)
        scale, width = column_scale(data.y), data.y.shape[1]

        def misses(x: Tensor, y: Tensor) -> Tensor:
            return (problem.simulate(x, generator) - y).double()

        def distances(x: Tensor, y: Tensor) -> np.ndarray:
            return (misses(x, y) / scale).square().mean(1).numpy()

        rows = data.y.repeat_interleave(self.draws, 0)
        misfit = misses(within_bounds(problem, samples), rows).reshape(count, -1, width)
        errors = (misfit / scale).square().mean(2).numpy()
        # a draw without a finite simulation counts as a non-finite draw
        finite = np.isfinite(errors)
        non_finite = max(non_finite_share(samples), 1 - float(finite.mean()))
        errors = np.where(finite, errors, np.nan)
        floor, baseline = distances(data.x, data.y), distances(data.x.roll(1, 0), data.y)
        usable = finite.any(1) & np.isfinite(floor) & np.isfinite(baseline)
        if usable.sum() < 2:
            return no_simulations(data, non_finite)
        errors, floor, baseline = errors[usable], floor[usable], baseline[usable]
        each = np.nanmean(errors, 1)
        published = np.where(finite, misfit.square().sum(2).numpy(), np.nan)[usable]
        span = max(float(baseline.mean() - floor.mean()), 1e-300)
        share = float(each.mean() - floor.mean()) / span
        p = _p_value(errors, floor, float(baseline.mean()), self.level, seed)
        return dataset(
            {
                "error": ((), each.mean(), {"long_name": "mean square, in variances of y"}),
                "published_error": (
                    (),
                    np.minimum(np.nanmean(published, 1), CLAMP).mean(),
                    {"long_name": "Err_resim, in squared units of y, clamped at 10"},
                ),
                "median_error": ((), np.median(each)),
                "error_quartiles": ("quartile", np.quantile(each, [0.25, 0.75])),
                "error_by_observation": ("pair", each),
                "floor": ((), floor.mean(), {"long_name": "error of the exact posterior"}),
                "baseline": ((), baseline.mean(), {"long_name": "error of an answer that ignores y"}),
                "share": ((), share, {"long_name": "(error - floor) / (baseline - floor)"}),
                "p": ((), p),
                "observation": (("pair", "observed"), data.y.numpy()[usable]),
                "non_finite_share": ((), non_finite),
            },
            verdict=_verdict(p, self.level, abs(share), non_finite),
            sentence=(
                f"Resimulated observations miss by {each.mean():.3g} (mean square, in variances of y); exact "
                f"would be {floor.mean():.3g}, ignoring the observation {baseline.mean():.3g}; p {p:.2g}."
            ),
            data=data,
            p_value=p if abs(share) >= GREEN_SHARE else 1.0,
            observed=("observed", variable_names(problem.y)),
        )


def _p_value(errors: np.ndarray, floor: np.ndarray, baseline: float, level: float, seed: int) -> float:
    """Return twice the smaller p value of two tests of an exact posterior: the ranks of the truth's errors
    ``floor`` (n,) among those of the draws (n, k), and the mean excess of the draws' errors."""
    from workbench.inference.statistics import uniform_ranks, uniformity

    # a simulator without noise leaves rounding errors only, which have no rank
    tiny = 1e-12 * max(baseline, 1e-300)
    worst = np.nan_to_num(errors, nan=np.inf)
    ranks = uniform_ranks(
        np.where(floor < tiny, 0, floor), np.where(worst < tiny, 0, worst), np.random.default_rng(seed)
    )
    excess = np.nanmean(errors, 1) - floor
    return min(1.0, 2 * min(uniformity(ranks, level).p, _paired_p(excess, tiny)))


def _paired_p(excess: np.ndarray, tiny: float) -> float:
    """Return the p value of a two-sided t test for a mean of zero; 1 where all values are within ``tiny``."""
    from scipy.stats import ttest_1samp

    if np.abs(excess).max() <= tiny:
        return 1.0
    return float(ttest_1samp(excess, 0.0).pvalue)


def _verdict(p: float, level: float, share: float, non_finite: float) -> str:
    if non_finite > NON_FINITE_SHARE:
        return "red"
    if p >= level or share < GREEN_SHARE:
        return "green"
    return "amber" if share < AMBER_SHARE else "red"
