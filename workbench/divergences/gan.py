"""Divergence that the original generative adversarial network (GAN) minimises.

Definition   D(P||Q) = 2 JSD(P, Q) - log 4,  f(u) = u log u - (u+1) log(u+1)
             f*(t) = -log(1 - e^t) for t < 0
Estimator    sup over v of  E_P[-softplus(-v)] - E_Q[softplus(v)],  reached at v = log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D + log 4)

It is Jensen-Shannon's bound minus log 4: the same critic and the same gradient, but equal distributions have
the value -log 4.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence

if TYPE_CHECKING:
    from torch import Tensor


@DIVERGENCES.register
class GAN(FDivergence):
    """GAN divergence 2 JSD(P, Q) - log 4, whose critic is a classifier."""

    key = "gan"
    title = "GAN"
    summary = (
        "Jensen-Shannon less log 4: the classifier's log-likelihood, which is -log 4 for equal distributions."
    )
    reference = "Goodfellow et al. (2014); Nowozin, Cseke, Tomioka (2016), f-GAN"
    non_saturating_descends = "KL(Q||P) - 2 JSD(P, Q)"
    definition = "2 JSD(P, Q) - log 4"
    pinsker = 1.0
    pinsker_reason = "That of Jensen-Shannon, for the excess over -log 4."
    slope_at_infinity = 0.0

    def generator(self, ratio: Tensor) -> Tensor:
        return torch.special.xlogy(ratio, ratio) - (ratio + 1) * torch.log1p(ratio)

    def conjugate(self, t: Tensor) -> Tensor:
        inside = t < 0
        return torch.where(inside, -torch.log(-torch.expm1(torch.where(inside, t, -1.0))), math.inf)

    def gain(self, logits: Tensor) -> Tensor:
        return -torch.nn.functional.softplus(-logits)

    def cost(self, logits: Tensor) -> Tensor:
        return torch.nn.functional.softplus(logits)

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return logits
