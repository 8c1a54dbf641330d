"""Pearson's χ² divergence, of data P and model Q.

Definition   D(P||Q) = ∫ (p-q)²/q,  f(u) = (u-1)²,  f*(t) = t²/4 + t for t >= -2, else -1
Estimator    sup over v of  E_P[v] - E_Q[f*(v)],  reached at v = 2 (p/q - 1)
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples: a least-squares fit of the ratio, linear in a linear critic
Pinsker      TV <= sqrt(D)/2
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.divergences.base import DIVERGENCES, FDivergence, tame

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences.gaussians import GaussianPair


@DIVERGENCES.register
class Pearson(FDivergence):
    """Pearson χ² divergence ∫ (p-q)²/q = χ²(P||Q)."""

    key = "pearson"
    title = "Pearson χ²"
    summary = "Squared relative error of the ratio: dominated by regions with data and without model samples."
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN"
    non_saturating_descends = "2 KL(P||Q)"
    definition = "∫ (p-q)²/q"
    pinsker = 0.5
    pinsker_reason = "Cauchy-Schwarz: 2 TV = E_Q|p/q - 1| <= sqrt(D)."
    slope_at_infinity = math.inf

    def generator(self, ratio: Tensor) -> Tensor:
        return (ratio - 1).square()

    def conjugate(self, t: Tensor) -> Tensor:
        # below -2 the supremum is at u = 0: the parabola would loosen the bound there
        t = t.clamp_min(-2)
        return 0.25 * t.square() + t

    def gain(self, logits: Tensor) -> Tensor:
        return logits

    def cost(self, logits: Tensor) -> Tensor:
        return self.conjugate(logits)

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.log_power_integral(2.0).expm1()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return 2 * tame(log_ratio).expm1()

    def log_ratio(self, logits: Tensor) -> Tensor:
        # a ratio of zero or less, which a critic may claim, is read as a very small one
        return (1 + 0.5 * logits).clamp_min(1e-12).log()
