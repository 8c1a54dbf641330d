"""Reverse Kullback-Leibler divergence KL(Q||P), P the data and Q the model.

Definition   D(P||Q) = ∫ q log(q/p),  f(u) = -log u,  f*(t) = -1 - log(-t) for t < 0
Estimator    sup over v of  E_P[-e^(-v)] - E_Q[v - 1],  reached at v = log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D/2)

The model minimises E_Q[1 - v], which never overflows: safer than KL with a weak critic.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence, tame

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences.gaussians import GaussianPair


@DIVERGENCES.register
class ReverseKullbackLeibler(FDivergence):
    """Reverse Kullback-Leibler (RKL) divergence KL(Q||P)."""

    key = "reverse_kl"
    title = "Reverse Kullback-Leibler"
    summary = "Mode seeking: infinite where the model puts mass without data; steady gradients for the model."
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN; VINA §4.1.2"
    non_saturating_descends = "half the Neyman χ², ½ ∫ (q-p)²/p"
    definition = "∫ q log(q/p)"
    pinsker = 1 / math.sqrt(2)
    pinsker_reason = "Pinsker's inequality with the arguments exchanged; total variation is symmetric."
    slope_at_infinity = 0.0

    def generator(self, ratio: Tensor) -> Tensor:
        return -ratio.log()

    def conjugate(self, t: Tensor) -> Tensor:
        inside = t < 0
        return torch.where(inside, -1 - torch.where(inside, -t, 1.0).log(), math.inf)

    def gain(self, logits: Tensor) -> Tensor:
        return -tame(-logits).exp()

    def cost(self, logits: Tensor) -> Tensor:
        return -tame(-logits) - 1

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.reverse_kl()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return -tame(-logits)
