"""Jensen-Shannon divergence, in the normalisation of f-GANs (twice the usual JSD).

Definition   D(P||Q) = ∫ q f(p/q),  f(u) = u log u - (u+1) log((1+u)/2)      (= 2 JSD in nats; at most 2
             log 2)
Estimator    sup over v of  E_P[log 2 - softplus(-v)] - E_Q[softplus(v) - log 2]
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D)

The conjugate is f*(t) = -log(2 - e^t) for t < log 2; the one printed with Definition 3.3 of the VINA paper,
arXiv:2602.20480, is not that of this f and makes the supremum infinite. The bound is concave in the logit v,
with slopes of at most 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence

if TYPE_CHECKING:
    from torch import Tensor


@DIVERGENCES.register
class JensenShannon(FDivergence):
    """Jensen-Shannon (JS) divergence in the normalisation of f-GANs, twice the JSD."""

    key = "jensen_shannon"
    title = "Jensen-Shannon"
    summary = (
        "Symmetric and bounded by 2 log 2; gentle gradients, at the price of saturating on disjoint supports."
    )
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN; VINA Definition 3.3 (corrected)"
    non_saturating_descends = "KL(Q||P) - 2 JSD(P, Q)"
    definition = "∫ p log(2p/(p+q)) + q log(2q/(p+q))"
    pinsker = 1.0
    pinsker_reason = "Pinsker's inequality towards the mixture: JSD >= TV²/2, and D is twice the JSD."
    slope_at_infinity = math.log(2)

    def generator(self, ratio: Tensor) -> Tensor:
        return torch.special.xlogy(ratio, ratio) - (ratio + 1) * torch.log((1 + ratio) / 2)

    def conjugate(self, t: Tensor) -> Tensor:
        inside = t < math.log(2)
        return torch.where(inside, -(2 - torch.where(inside, t, 0.0).exp()).log(), math.inf)

    def gain(self, logits: Tensor) -> Tensor:
        return math.log(2) - torch.nn.functional.softplus(-logits)

    def cost(self, logits: Tensor) -> Tensor:
        return torch.nn.functional.softplus(logits) - math.log(2)

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return logits
