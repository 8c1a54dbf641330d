"""Kullback-Leibler divergence KL(P||Q), P the data and Q the model: forward KL.

Definition   D(P||Q) = ∫ p log(p/q),  f(u) = u log u,  f*(t) = e^(t-1)
Estimator    sup over v of  E_P[v] - E_Q[e^(v-1)],  reached at v = 1 + log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples; the exponential makes the estimate noisy where p/q is large
Pinsker      TV <= sqrt(D/2)
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
class KullbackLeibler(FDivergence):
    """Kullback-Leibler (KL) divergence D(P||Q)."""

    key = "kl"
    title = "Kullback-Leibler"
    summary = "Mass covering: infinite where the model misses data, and noisy with a weak critic."
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN; VINA §3.1"
    non_saturating_descends = "KL(Q||P)"
    definition = "∫ p log(p/q)"
    pinsker = 1 / math.sqrt(2)
    pinsker_reason = "Pinsker's inequality, in nats."
    slope_at_infinity = math.inf

    def generator(self, ratio: Tensor) -> Tensor:
        return torch.special.xlogy(ratio, ratio)

    def conjugate(self, t: Tensor) -> Tensor:
        return (t - 1).exp()

    def gain(self, logits: Tensor) -> Tensor:
        return tame(logits)

    def cost(self, logits: Tensor) -> Tensor:
        return (tame(logits) - 1).exp()

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.kl()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return 1 + log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return tame(logits) - 1
