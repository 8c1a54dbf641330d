"""Neyman's χ² divergence, which is Pearson's with the arguments exchanged.

Definition   D(P||Q) = ∫ (p-q)²/p,  f(u) = (1-u)²/u,  f*(t) = 2 - 2 sqrt(1-t) for t <= 1
Estimator    sup over v of  E_P[1 - e^(-v)] - E_Q[2 - 2 e^(-v/2)],  reached at v = 2 log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D)/2

As a function of this logit v the cost is not convex: training of a critic may get stuck, and the convex
solver for critics in an RKHS ball is not used.
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
class Neyman(FDivergence):
    """Neyman χ² divergence ∫ (p-q)²/p = χ²(Q||P)."""

    key = "neyman"
    title = "Neyman χ²"
    summary = (
        "Mode seeking, more so than reverse KL: dominated by regions with model samples and without data."
    )
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN"
    definition = "∫ (p-q)²/p"
    concave = False
    pinsker = 0.5
    pinsker_reason = "Pearson's with the arguments exchanged; total variation is symmetric."
    slope_at_infinity = 1.0

    def generator(self, ratio: Tensor) -> Tensor:
        return (1 - ratio).square() / ratio

    def conjugate(self, t: Tensor) -> Tensor:
        inside = t <= 1
        # the tiny floor keeps the root's derivative finite at the edge of the domain
        root = torch.where(inside, 1 - t, 1.0).clamp_min(1e-300 if t.dtype == torch.float64 else 1e-37).sqrt()
        return torch.where(inside, 2 - 2 * root, math.inf)

    def gain(self, logits: Tensor) -> Tensor:
        return -torch.expm1(-tame_both(logits))

    def cost(self, logits: Tensor) -> Tensor:
        return -2 * torch.expm1(-0.5 * tame_both(logits))

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.log_power_integral(-1.0).expm1()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return 2 * log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return 0.5 * tame_both(logits)
