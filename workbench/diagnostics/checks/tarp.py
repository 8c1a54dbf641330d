"""Do balls around random points hold as much of the posterior as they should?

Test         TARP: for a fresh pair (x, y) and a point r, the share of posterior draws that are nearer to r
             than x is uniform on (0, 1) when the posterior is exact; one simultaneous test for the curve.
Points       r = a linear guess of x from y, with noise of the size of what the guess leaves open: a point
             that depends on y but not on x, without which an answer that ignores y would pass. The guess for
             one half of the pairs is learned from the other half.
Distances    Euclidean, with every x in standard deviations of the prior.
Verdict      green: p at least the level. Amber: below, but coverage is off by less than 0.05 everywhere. Red
             otherwise.
Blind to     little: all of the posterior moves the distances, but only through one number at a time.
"""

from __future__ import annotations

import numpy as np
import param
import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    Fresh,
    dataset,
    draws,
    fresh,
    lost_share,
)
from workbench.inference.statistics import uniform_ranks, uniformity

SMALL = 0.05


@DIAGNOSTICS.register
class Tarp(Diagnostic):
    """Expected coverage of random balls."""

    key = "tarp"
    title = "Coverage of random balls"
    summary = "How much of the posterior is nearer to a random point than the truth: uniform, if all is well."
    reference = "Lemos et al. 2023, arXiv 2302.03026"
    checked = "Whether balls around random points hold the truth as often as they hold posterior draws."
    remedy = (
        "Train longer, on more simulations, or with a larger network; calibration says which parameter it is."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000, "draws": 1000}

    observations = param.Integer(500, bounds=(20, 20_000), doc="Number of fresh pairs.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        drawn = draws(fitted, data.y, len(data.y), self.draws, seed)
        lost = lost_share(drawn)
        scale = data.x.std(0).clamp(min=1e-12)
        points = _points(data, torch.Generator().manual_seed(seed + 6)) / scale
        truth = (data.x / scale - points).norm(dim=1).numpy()
        distances = (drawn / scale - points[:, None]).norm(dim=2)
        u = uniform_ranks(truth, distances.nan_to_num(nan=torch.inf).numpy(), np.random.default_rng(seed))
        result = uniformity(u, self.level)
        return dataset(
            {
                "coverage": (
                    "credibility",
                    result.grid + result.difference,
                    {"long_name": "expected coverage"},
                ),
                "low": ("credibility", result.grid + result.low),
                "high": ("credibility", result.grid + result.high),
                "distance": ((), result.distance, {"long_name": "largest error of the coverage"}),
                "p": ((), result.p),
                "non_finite_share": ((), lost),
            },
            verdict=_verdict(result.p, self.level, result.distance, lost),
            sentence=(
                f"The coverage of balls around random points is off by {result.distance:.3g} at most, over "
                f"{len(u)} observations; p {result.p:.2g}."
            ),
            data=data,
            credibility=("credibility", result.grid),
        )


def _points(data: Fresh, generator: torch.Generator) -> Tensor:
    """One point a pair, (n, D), that knows y but not x."""
    design = torch.cat([torch.ones(len(data.y), 1, dtype=torch.float64), data.y], 1)
    half = torch.arange(len(design)) % 2 == 0
    guessed = torch.empty_like(data.x)
    for part in (half, ~half):
        learned = torch.linalg.lstsq(design[~part], data.x[~part], driver="gelsd").solution
        left = (data.x[~part] - design[~part] @ learned).std(0)
        noise = torch.randn(int(part.sum()), data.x.shape[1], generator=generator, dtype=torch.float64)
        guessed[part] = design[part] @ learned + left * noise
    return guessed


def _verdict(p: float, level: float, distance: float, lost: float) -> str:
    if lost > NON_FINITE_SHARE:
        return "red"
    if p >= level:
        return "green"
    return "amber" if distance < SMALL else "red"
