"""Squared Hellinger distance, an f-divergence between 0 and 2.

Definition   D(P, Q) = ∫ (sqrt p - sqrt q)²,  f(u) = (sqrt u - 1)²,  f*(t) = t/(1-t) for t < 1
Estimator    sup over v of  E_P[1 - e^(-v)] - E_Q[e^v - 1],  reached at v = ½ log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence, tame_both

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences.gaussians import GaussianPair


@DIVERGENCES.register
class SquaredHellinger(FDivergence):
    """Squared Hellinger distance H² = ∫ (√p - √q)², between 0 and 2."""

    key = "squared_hellinger"
    title = "Squared Hellinger"
    summary = "Symmetric and at most 2; half-way between the two directions of KL."
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN; VINA §3.1"
    non_saturating_descends = "∫ p (⅔ w^(3/2) - w + ⅓) with w = q/p"
    definition = "∫ (√p - √q)²"
    pinsker = 1.0
    pinsker_reason = "Le Cam's inequality: TV <= H sqrt(1 - H²/4) <= H."
    slope_at_infinity = 1.0

    def generator(self, ratio: Tensor) -> Tensor:
        return (ratio.sqrt() - 1).square()

    def conjugate(self, t: Tensor) -> Tensor:
        inside = t < 1
        safe = torch.where(inside, t, 0.0)
        return torch.where(inside, safe / (1 - safe), math.inf)

    def gain(self, logits: Tensor) -> Tensor:
        return -torch.expm1(-tame_both(logits))

    def cost(self, logits: Tensor) -> Tensor:
        return torch.expm1(tame_both(logits))

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return -2 * torch.expm1(pair.log_power_integral(0.5))

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return 0.5 * log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return 2 * tame_both(logits)
