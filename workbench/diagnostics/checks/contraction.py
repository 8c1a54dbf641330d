"""Posterior contraction, and the z-score of the truth under the posterior.

Contraction  1 − posterior variance / prior variance, for each parameter and pair (x, y): 0 where y says
             nothing about the parameter, 1 where it determines it.
z-score      (truth − posterior mean) / posterior standard deviation. Under the exact posterior its mean is 0
             and the mean of its square 1, whatever the shape.
Test         with mean m and variance v of one half of the L draws, and the standard deviation s of the other
             half, (x − m)/s and ((x − m)² − (1 + 2/L) v)/s² have the mean 0 exactly, whatever the shape:
             t tests of both for every parameter, corrected together by Holm. Heavy tails make them
             approximate.
Verdict      green: no corrected p below the level. Amber: some, but every mean is under 0.1 away from 0 and
             every mean square within 0.15 of 1. Red otherwise. Contraction is reported without a verdict: how
             much can be learned depends on the problem.
Blind to     shape (skewness, wrong dependence), and a posterior that ignores y (contraction 0 shows it).
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
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    finite,
    held_out_pairs,
    non_finite_share,
    posterior_draws,
    variable_names,
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

SMALL_MEAN, SMALL_SQUARE = 0.1, 0.15
#: Largest number of parameters whose contraction is part of the sentence.
_MOST_NAMED = 4


@DIAGNOSTICS.register
class Contraction(Diagnostic):
    """Check of posterior z-scores, with posterior contraction."""

    key = "contraction"
    title = "Contraction and z-score"
    summary = "How much of the prior's variance is gone, and whether truths scatter as posteriors say."
    reference = "Betancourt 2018, arXiv 1803.08393; Schad et al. 2021, arXiv 1904.12765"
    purpose = (
        "Whether the truth lies as many posterior standard deviations from the posterior's mean as it should."
    )
    remedy = (
        "Mean squares above 1: the posterior is too narrow, more simulations or earlier stopping help. Below "
        "1: too wide, train longer. A mean that is not 0: a shift, train longer."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000, "draws": 1000}

    observations = param.Integer(500, bounds=(20, 20_000), doc="Number of fresh pairs.")
    draws = param.Integer(100, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.inference.statistics import holm

        data = held_out_pairs(fitted, problem, self.observations, seed)
        samples = posterior_draws(fitted, data.y, len(data.y), self.draws, seed)
        non_finite, each = non_finite_share(samples), self.draws
        samples = finite(samples)
        scale = column_scale(data.x)
        # a posterior's width is bounded below, since that of a network which answers a point is zero
        tiny = 1e-12 * scale
        mean, spread = samples.mean(1), torch.maximum(samples.std(1), tiny)
        z = ((data.x - mean) / spread / math.sqrt(1 + 1 / each)).numpy()
        contraction = (1 - (spread / scale).square()).numpy()
        p_values = holm(_p_values(data.x, samples, tiny))
        mean_z, mean_square = z.mean(0), (z**2).mean(0)
        smallest = float(np.nanmin(p_values)) if np.isfinite(p_values).any() else 0.0
        small = np.abs(mean_z).max() < SMALL_MEAN and np.abs(mean_square - 1).max() < SMALL_SQUARE
        verdict = verdict_of(smallest, self.level, small=small, non_finite=non_finite)
        quantities = variable_names(problem.x)
        return dataset(
            {
                "z_score": (("pair", "quantity"), z, {"long_name": "z-score"}),
                "contraction": (("pair", "quantity"), contraction, {"long_name": "posterior contraction"}),
                "mean_z_score": ("quantity", mean_z),
                "mean_square_z_score": ("quantity", mean_square),
                "mean_contraction": ("quantity", contraction.mean(0)),
                "corrected_p": (("quantity", "moment"), p_values.reshape(-1, 2)),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict,
            sentence=_sentence(
                verdict, quantities, mean_z, mean_square, contraction.mean(0), smallest, non_finite
            ),
            data=data,
            quantity=("quantity", quantities),
            moment=("moment", np.asarray(["mean", "mean_square"])),
        )


def _p_values(truth: Tensor, samples: Tensor, tiny: Tensor) -> np.ndarray:
    """Return the p values (2 D,) of two t tests per parameter, parameter by parameter.

    Of each pair, the first tests the mean z-score against 0, the second the mean squared z-score against 1.
    ``truth`` (n, D), ``samples`` (n, L, D); ``tiny`` (D,) is a lower bound for standard deviations.
    """
    from scipy.stats import ttest_1samp

    half = samples.shape[1] // 2
    first, second = samples[:, :half], samples[:, half:]
    error, scale = truth - first.mean(1), torch.maximum(second.std(1), tiny)
    excess = (error / scale).square() - (1 + 1 / half) * (first.std(1) / scale).square()
    parts = zip((error / scale).numpy().T, excess.numpy().T, strict=True)
    return np.asarray([[ttest_1samp(a, 0.0).pvalue, ttest_1samp(b, 0.0).pvalue] for a, b in parts]).ravel()


def _sentence(
    verdict: str,
    quantities: np.ndarray,
    mean_z: np.ndarray,
    mean_square: np.ndarray,
    contraction: np.ndarray,
    p: float,
    non_finite: float,
) -> str:
    from workbench.inference.statistics import percent

    if non_finite > NON_FINITE_SHARE:
        return f"{percent(non_finite)} of the posterior's draws are not finite."
    pairs = list(zip(quantities, contraction, strict=True))
    values = ", ".join(f"{name} {value:.2f}" for name, value in pairs[:_MOST_NAMED])
    values += ", …" if len(quantities) > _MOST_NAMED else ""
    shift = int(np.abs(mean_z).argmax())
    width = int(np.abs(np.log(np.maximum(mean_square, 1e-12))).argmax())
    if verdict == "green":
        start = "Truths scatter about the posterior means as they should"
    elif abs(mean_z[shift]) > 2 * abs(math.sqrt(mean_square[width]) - 1):
        start = f"Posterior means are off by {mean_z[shift]:.2g} standard deviations in {quantities[shift]}"
    else:
        start = (
            f"Truths scatter {math.sqrt(mean_square[width]):.2f} times as far as the posterior says in "
            f"{quantities[width]}"
        )
    return f"{start}; contraction {values}; smallest corrected p {p:.2g}."
