"""Jeffreys divergence: the sum of the Kullback-Leibler divergences in both directions.

Definition   D(P, Q) = KL(P||Q) + KL(Q||P) = ∫ (p-q) log(p/q),  f(u) = (u-1) log u
             f*(t) = u - 1 + log u  with 1/u = W(e^(1-t)), W Lambert's function
Estimator    sup over v of  E_P[v + 1 - e^(-v)] - E_Q[e^v - 1 + v],  reached at v = log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D)/2

With the logit v = log u the conjugate needs no Lambert function: t = f'(u) = v + 1 - e^(-v) and
f*(t) = t u - f(u) = e^v - 1 + v. Both forms are implemented, and the tests compare them.
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
class Jeffreys(FDivergence):
    """Jeffreys divergence, the sum of both directions of KL."""

    key = "jeffreys"
    title = "Jeffreys"
    summary = "KL both ways: punishes missed data and stray samples alike, and is as noisy as the noisier."
    reference = "Jeffreys (1946); Nowozin, Cseke, Tomioka (2016), f-GAN"
    definition = "∫ (p-q) log(p/q)"
    pinsker = 0.5
    pinsker_reason = "The sum of Pinsker's inequality in both directions."
    slope_at_infinity = math.inf

    def generator(self, ratio: Tensor) -> Tensor:
        return (ratio - 1) * ratio.log()

    def conjugate(self, t: Tensor) -> Tensor:
        from workbench.nn.lambert import LogLambert

        minus_log_ratio = LogLambert.apply(1 - t)
        return torch.expm1(-minus_log_ratio) - minus_log_ratio

    def gain(self, logits: Tensor) -> Tensor:
        v = tame_both(logits)
        return v - torch.expm1(-v)

    def cost(self, logits: Tensor) -> Tensor:
        v = tame_both(logits)
        return torch.expm1(v) + v

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.kl() + pair.reverse_kl()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return tame_both(logits)
