"""How much the observation narrows each parameter, and how far the truth lies from the posterior's mean.

Contraction  1 − posterior variance / prior variance, of each parameter and pair: 0 nothing learned, 1 all.
z-score      (truth − posterior mean) / posterior standard deviation. Under the exact posterior its mean is 0
             and the mean of its square 1, whatever the shape.
Test         with mean m and variance v of one half of the L draws, and the deviation s of the other half,
             (x − m)/s and ((x − m)² − (1 + 2/L) v)/s² have the mean 0 exactly, whatever the shape: t tests of
             both for every parameter, corrected together by Holm. Heavy tails make them approximate.
Verdict      green: no corrected p below the level. Amber: some, but every mean is under 0.1 away from 0 and
             every mean square within 0.15 of 1. Red otherwise. Contraction is told, not judged: how much can
             be learned is up to the problem.
Blind to     shape: skewness, a wrong dependence, and an answer that ignores y (contraction 0 shows it).
"""

from __future__ import annotations

import math

import numpy as np
import param
import torch
from scipy.stats import ttest_1samp
from torch import Tensor

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    draws,
    fresh,
    lost_share,
    names,
)
from workbench.inference.statistics import holm, percent

SMALL_MEAN, SMALL_SQUARE = 0.1, 0.15


@DIAGNOSTICS.register
class Contraction(Diagnostic):
    """Posterior contraction and z-scores."""

    key = "contraction"
    title = "Contraction and z-score"
    summary = "How much of the prior's variance is gone, and whether truths scatter as posteriors say."
    reference = "Betancourt 2018, arXiv 1803.08393; Schad et al. 2021, arXiv 1904.12765"
    checked = (
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

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        drawn = draws(fitted, data.y, len(data.y), self.draws, seed)
        lost, each = lost_share(drawn), self.draws
        drawn = drawn.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        prior = data.x.var(0).clamp(min=1e-24)
        tiny = 1e-12 * prior.sqrt()
        mean, spread = drawn.mean(1), torch.maximum(drawn.std(1), tiny)
        z = ((data.x - mean) / spread / math.sqrt(1 + 1 / each)).numpy()
        contraction = (1 - spread.square() / prior).numpy()
        corrected = holm(_p_values(data.x, drawn, tiny))
        middle, square = z.mean(0), (z**2).mean(0)
        smallest = float(np.nanmin(corrected)) if np.isfinite(corrected).any() else 0.0
        little = np.abs(middle).max() < SMALL_MEAN and np.abs(square - 1).max() < SMALL_SQUARE
        verdict = "green" if smallest >= self.level else "amber" if little else "red"
        quantities = names(problem.x)
        return dataset(
            {
                "z_score": (("pair", "quantity"), z, {"long_name": "z-score"}),
                "contraction": (("pair", "quantity"), contraction, {"long_name": "posterior contraction"}),
                "mean_z_score": ("quantity", middle),
                "mean_square_z_score": ("quantity", square),
                "mean_contraction": ("quantity", contraction.mean(0)),
                "corrected_p": (("quantity", "moment"), corrected.reshape(-1, 2)),
                "non_finite_share": ((), lost),
            },
            verdict="red" if lost > NON_FINITE_SHARE else verdict,
            sentence=_sentence(verdict, quantities, middle, square, contraction.mean(0), smallest, lost),
            data=data,
            quantity=("quantity", quantities),
            moment=("moment", np.asarray(["mean", "mean_square"])),
        )


def _p_values(truth: Tensor, drawn: Tensor, tiny: Tensor) -> np.ndarray:
    """Of both moments (2 D,), the mean first: truth (n, D), drawn (n, L, D), least deviation (D,)."""
    half = drawn.shape[1] // 2
    first, second = drawn[:, :half], drawn[:, half:]
    away, scale = truth - first.mean(1), torch.maximum(second.std(1), tiny)
    beyond = away.square() - (1 + 1 / half) * first.var(1)
    parts = zip((away / scale).numpy().T, (beyond / scale.square()).numpy().T, strict=True)
    return np.asarray([[ttest_1samp(a, 0.0).pvalue, ttest_1samp(b, 0.0).pvalue] for a, b in parts]).ravel()


def _sentence(verdict, quantities, middle, square, contraction, p, lost) -> str:
    if lost > NON_FINITE_SHARE:
        return f"{percent(lost)} of the posterior's draws are not finite."
    told = ", ".join(f"{n} {c:.2f}" for n, c in list(zip(quantities, contraction, strict=True))[:4])
    told += ", …" if len(quantities) > 4 else ""
    moved, wide = int(np.abs(middle).argmax()), int(np.abs(np.log(np.maximum(square, 1e-12))).argmax())
    if verdict == "green":
        start = "Truths scatter about the posterior means as they should"
    elif abs(middle[moved]) > 2 * abs(math.sqrt(square[wide]) - 1):
        start = f"Posterior means are off by {middle[moved]:.2g} standard deviations in {quantities[moved]}"
    else:
        start = (
            f"Truths scatter {math.sqrt(square[wide]):.2f} times as far as the posterior says in "
            f"{quantities[wide]}"
        )
    return f"{start}; contraction {told}; smallest corrected p {p:.2g}."
