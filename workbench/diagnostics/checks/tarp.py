"""TARP (tests of accuracy with random points): do balls around random points cover the truth as they should?

Test         for a fresh pair (x, y) and a point r, the fraction of posterior draws that are nearer to r than
             x is uniform on (0, 1) when the posterior is exact; one simultaneous test for the curve.
Points       r = a linear prediction of x from y, plus noise with the standard deviation of its residuals: r
             depends on y but not on x. With r independent of y, a posterior that ignores y would pass. The
             prediction for one half of the pairs is fitted to the other half.
Distances    Euclidean, with every x in standard deviations of the prior.
Verdict      green: p at least the level. Amber: below, but coverage is off by less than 0.05 everywhere. Red
             otherwise.
Blind to     little: every error of the posterior affects the distances, but many only weakly.
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
    Diagnostic,
    HeldOutPairs,
    dataset,
    held_out_pairs,
    non_finite_share,
    posterior_draws,
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

SMALL = 0.05


@DIAGNOSTICS.register
class Tarp(Diagnostic):
    """Check of the expected coverage of balls around random points (TARP)."""

    key = "tarp"
    title = "Coverage of random balls"
    summary = "How much of the posterior is nearer to a random point than the truth: uniform, if all is well."
    reference = "Lemos et al. 2023, arXiv 2302.03026"
    purpose = "Whether balls around random points hold the truth as often as they hold posterior draws."
    remedy = (
        "Train longer, on more simulations, or with a larger network; calibration says which parameter it is."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000, "draws": 1000}

    observations = param.Integer(500, bounds=(20, 20_000), doc="Number of fresh pairs.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.inference.statistics import uniform_ranks, uniformity

        data = held_out_pairs(fitted, problem, self.observations, seed)
        samples = posterior_draws(fitted, data.y, len(data.y), self.draws, seed)
        non_finite = non_finite_share(samples)
        scale = column_scale(data.x)
        points = _points(data, torch.Generator().manual_seed(seed + 6)) / scale
        truth = (data.x / scale - points).norm(dim=1).numpy()
        distances = (samples / scale - points[:, None]).norm(dim=2)
        ranks = uniform_ranks(truth, distances.nan_to_num(nan=torch.inf).numpy(), np.random.default_rng(seed))
        test = uniformity(ranks, self.level)
        return dataset(
            {
                "coverage": (
                    "credibility",
                    test.grid + test.difference,
                    {"long_name": "expected coverage"},
                ),
                "low": ("credibility", test.grid + test.low),
                "high": ("credibility", test.grid + test.high),
                "distance": ((), test.distance, {"long_name": "largest error of the coverage"}),
                "p": ((), test.p),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict_of(test.p, self.level, small=test.distance < SMALL, non_finite=non_finite),
            sentence=(
                f"The coverage of balls around random points is off by {test.distance:.3g} at most, over "
                f"{len(ranks)} observations; p {test.p:.2g}."
            ),
            data=data,
            credibility=("credibility", test.grid),
        )


def _points(data: HeldOutPairs, generator: torch.Generator) -> Tensor:
    """Return a random reference point r for each pair (x, y), (n, D), independent of x given y."""
    y = (data.y - data.y.mean(0)) / column_scale(data.y)
    design = torch.cat([torch.ones(len(y), 1, dtype=torch.float64), y], 1)
    half = torch.arange(len(design)) % 2 == 0
    points = torch.empty_like(data.x)
    for part in (half, ~half):
        coefficients = torch.linalg.lstsq(design[~part], data.x[~part], driver="gelsd").solution
        residual = (data.x[~part] - design[~part] @ coefficients).std(0)
        noise = torch.randn(int(part.sum()), data.x.shape[1], generator=generator, dtype=torch.float64)
        points[part] = design[part] @ coefficients + residual * noise
    return points
