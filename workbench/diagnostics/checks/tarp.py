"""TARP (tests of accuracy with random points): do balls around random points cover the truth as they should?

Test         for a fresh pair (x, y) and a point r, the fraction of posterior draws that are nearer to r than
             x is uniform on (0, 1) when the posterior is exact; one simultaneous test for the curve.
Points       r = a linear prediction of x from y, plus noise: r depends on y but not on x. With r independent
             of y, a posterior that ignores y would pass. Near points: noise with the standard deviation of
             the residuals, independent in every x. Far points: noise with the covariance of the residuals,
             three times as large, most of it along their longest axes; from there distances are positions
             along these axes, and a posterior without its correlations, which passes with near points, is
             noticed. Prediction and covariance for one half of the pairs are fitted to the other half.
Distances    Euclidean, with every x in standard deviations of these residuals.
p value      twice the smaller one of the two tests, one for each kind of point.
Severity     displacement of the truths' distances, in standard deviations of those of the draws.
Verdict      green: p at least the level. Amber: below, but the severity is under 0.125. Red otherwise.
Blind to     little: every error of the posterior affects the distances, but many only weakly, and wrong
             tails hardly.
"""

from __future__ import annotations

import math
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

#: Factor of the residuals' spread by which points are moved away from the prediction.
_AWAY = 3.0


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
        from workbench.diagnostics.severity import SMALL_SEVERITY, rank_displacement
        from workbench.inference.statistics import uniform_ranks, uniformity

        data = held_out_pairs(fitted, problem, self.observations, seed)
        samples = posterior_draws(fitted, data.y, len(data.y), self.draws, seed)
        non_finite = non_finite_share(samples)
        near, far, scale = _points(data, torch.Generator().manual_seed(seed + 6))
        generator, tests, severities = np.random.default_rng(seed), [], []
        for points in (near / scale, far / scale):
            truth = (data.x / scale - points).norm(dim=1).numpy()
            distances = (samples / scale - points[:, None]).norm(dim=2).nan_to_num(nan=torch.inf).numpy()
            ranks = uniform_ranks(truth, distances, generator)
            tests.append(uniformity(ranks, self.level / 2))
            severities.append(rank_displacement(ranks))
        worst = int(np.argmin([test.p for test in tests]))
        test, severity, p = tests[worst], max(severities), min(1.0, 2 * tests[worst].p)
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
                "p": ((), p),
                "far_points": ((), worst, {"long_name": "1 where the curve is that of the far points"}),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict_of(p, self.level, small=severity < SMALL_SEVERITY, non_finite=non_finite),
            sentence=(
                f"The coverage of balls around random points is off by {test.distance:.3g} at most, over "
                f"{len(samples)} observations; p {p:.2g}."
            ),
            data=data,
            p_value=p,
            severity=severity,
            credibility=("credibility", test.grid),
        )


def _points(data: HeldOutPairs, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return near and far random points for each pair (x, y), (n, D) each, independent of x given y.

    The third tensor is the standard deviation (D,) of the residuals of x.
    """
    y = (data.y - data.y.mean(0)) / column_scale(data.y)
    unit = column_scale(data.x)
    design = torch.cat([torch.ones(len(y), 1, dtype=torch.float64), y], 1)
    half = torch.arange(len(design)) % 2 == 0
    near, far, residuals = (torch.empty_like(data.x) for _ in range(3))
    for part in (half, ~half):
        coefficients = torch.linalg.lstsq(design[~part], data.x[~part] / unit, driver="gelsd").solution
        line = design[part] @ coefficients
        residual = data.x[~part] / unit - design[~part] @ coefficients
        count = int(part.sum())
        noise = torch.randn(count, data.x.shape[1], generator=generator, dtype=torch.float64)
        near[part] = (line + residual.std(0) * noise) * unit
        # combinations of the residuals have their covariance, of any rank
        weights = torch.randn(count, len(residual), generator=generator, dtype=torch.float64)
        along = weights @ (residual - residual.mean(0)) / math.sqrt(max(len(residual) - 1, 1))
        far[part] = (line + _AWAY * along) * unit
        residuals[part] = data.x[part] - line * unit
    return near, far, torch.maximum(column_scale(residuals), 1e-9 * unit)
