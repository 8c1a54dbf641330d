"""Posterior contraction, and the z-score of the truth under the posterior.

Contraction  1 − posterior variance / prior variance, for each parameter and pair (x, y): 0 where y says
             nothing about the parameter, 1 where it determines it.
z-score      (truth − posterior mean) / posterior standard deviation. Under the exact posterior its mean is 0
             and the mean of its square 1, whatever the shape.
Test         under the exact posterior the truth and its L draws are exchangeable: with z-scores z_0 … z_L
             among all of them, the truth's is one of these, each with probability 1 / (L + 1). The means of z
             and of z² over the pairs, also weighted with the components of y, are compared with this
             distribution, whose tails follow from its moment generating function (saddle point): no normal
             theory is asked of the posterior, which may be skewed or heavy-tailed. Of more than
             ten components of y the first ten principal ones are the weights. Corrected together by Holm.
Learning     whether the draws differ between observations: χ² of their counts in ten cells between the
             quantiles of all draws, above chance and over their number.
Severity     the largest mean of z, distance of the root mean square from 1, or weighted mean with a corrected
             p below the level.
Verdict      green: no corrected p below the level. Amber: some, but the severity is under 0.125; also where
             the draws are the same at every observation, as of a network that has learned nothing. Red
             otherwise. Contraction has no verdict otherwise: what can be learned depends on the problem.
Blind to     shape (skewness, wrong dependence).
Source: Lugannani and Rice 1980 (saddle point).
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

#: Response to y below which the draws count as the same at every observation.
NO_RESPONSE = 0.01
#: Largest number of weights of the z-scores.
_WEIGHTS = 10
_SAME = (
    "The posterior is the same at every observation: either the network has learned nothing, or the "
    "observation says nothing about these parameters. "
)
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
        from workbench.diagnostics.severity import SMALL_SEVERITY
        from workbench.inference.exchangeable import mean_p_values
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
        mask, means, p = mean_p_values(data.x.numpy(), samples.numpy(), _weights(data.y), tiny.numpy())
        p_values = np.full((z.shape[1], *p.shape[1:]), np.nan)
        p_values[mask] = holm(p)
        mean_z, mean_square = z.mean(0), (z**2).mean(0)
        smallest = float(np.nanmin(p_values)) if mask.any() else 1.0
        weighted_means = np.abs(means[:, :, 1:])[p_values[mask][:, :, 1:] < self.level]
        severity = float(max(np.abs(mean_z).max(), np.abs(np.sqrt(mean_square) - 1).max(), *weighted_means))
        verdict = verdict_of(smallest, self.level, small=severity < SMALL_SEVERITY, non_finite=non_finite)
        response = _response(samples.numpy())
        same = response < NO_RESPONSE
        constant = verdict == "green" and same
        quantities = variable_names(problem.x)
        return dataset(
            {
                "z_score": (("pair", "quantity"), z, {"long_name": "z-score"}),
                "contraction": (("pair", "quantity"), contraction, {"long_name": "posterior contraction"}),
                "mean_z_score": ("quantity", mean_z),
                "mean_square_z_score": ("quantity", mean_square),
                "mean_contraction": ("quantity", contraction.mean(0)),
                "corrected_p": (("quantity", "moment"), np.nanmin(p_values, 2, initial=1.0)),
                "response": ((), response, {"long_name": "difference of the draws between observations"}),
                "non_finite_share": ((), non_finite),
            },
            verdict="amber" if constant else verdict,
            sentence=(_SAME if same else "")
            + _sentence(
                verdict,
                quantities,
                mean_z,
                mean_square,
                contraction.mean(0),
                smallest,
                non_finite,
                max((0.0, *weighted_means)),
            ),
            data=data,
            p_value=0.0 if constant else smallest,
            severity=severity,
            quantity=("quantity", quantities),
            moment=("moment", np.asarray(["mean", "mean_square"])),
        )


def _weights(y: Tensor) -> np.ndarray:
    """Return weights (n, 1 + W) of the pairs: ones, and standardised functions of the observations y (n, M).

    The latter are the normal scores of the components, or of their first principal components.
    """
    from scipy.stats import norm, rankdata

    rows = ((y - y.mean(0)) / column_scale(y)).numpy()
    if rows.shape[1] > _WEIGHTS:
        axes, singular, _ = np.linalg.svd(rows, full_matrices=False)
        rows = (axes * singular)[:, :_WEIGHTS]
    rows = rows[:, np.ptp(rows, axis=0) > 0]
    scores = norm.ppf((rankdata(rows, axis=0) - 0.5) / len(rows)) if rows.size else rows
    return np.concatenate([np.ones((len(rows), 1)), scores], 1)


def _response(samples: np.ndarray) -> float:
    """Return how much draws (n, L, D) differ between the n observations: the largest over the parameters.

    χ² of the table of observations and cells above its value by chance, over the number of draws: 0 for draws
    that do not depend on the observation, about the share of variance between observations where it is small.
    """
    count, each, features = samples.shape
    values = []
    for k in range(features):
        edges = np.unique(np.quantile(samples[..., k], np.arange(1, 10) / 10))
        cells = np.searchsorted(edges, samples[..., k])
        table = np.stack([(cells == cell).sum(1) for cell in range(len(edges) + 1)], 1)
        table = table[:, table.any(0)]
        mean_count = table.sum(0) / count
        chi2 = float((np.square(table - mean_count) / mean_count).sum())
        values.append((chi2 - (table.shape[1] - 1) * (count - 1)) / (count * each))
    return max(values)


def _sentence(
    verdict: str,
    quantities: np.ndarray,
    mean_z: np.ndarray,
    mean_square: np.ndarray,
    contraction: np.ndarray,
    p: float,
    non_finite: float,
    dependence: float,
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
    elif dependence > max(abs(mean_z[shift]), abs(math.sqrt(mean_square[width]) - 1)):
        start = f"The truths' z-scores depend on the observation, by {dependence:.2g} standard deviations"
    elif abs(mean_z[shift]) > 2 * abs(math.sqrt(mean_square[width]) - 1):
        start = f"Posterior means are off by {mean_z[shift]:.2g} standard deviations in {quantities[shift]}"
    else:
        start = (
            f"Truths scatter {math.sqrt(mean_square[width]):.2f} times as far as the posterior says in "
            f"{quantities[width]}"
        )
    return f"{start}; contraction {values}; smallest corrected p {p:.2g}."
