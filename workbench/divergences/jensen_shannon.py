"""Jensen-Shannon divergence.

Definition   D(P||Q) = ∫ q f(p/q),  f(u) = u log u - (u+1) log((1+u)/2)      (= 2 JSD in nats; at most 2
             log 2)
Estimator    sup over v of  E_P[log 2 - softplus(-v)] - E_Q[softplus(v) - log 2]
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples

The conjugate is f*(t) = -log(2 - e^t) for t < log 2; the one printed with Definition 3.3 of the VINA paper is
not that of this f and makes the supremum infinite. In logits the bound is concave in v with slopes of at
most 1.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import softplus

from workbench.divergences.base import VariationalDivergence


class JensenShannon(VariationalDivergence):
    """Jensen-Shannon (JS) divergence in the normalisation of f-GANs, twice the JSD."""

    key = "jensen_shannon"
    title = "Jensen-Shannon"
    summary = (
        "Symmetric and bounded by 2 log 2; gentle gradients, at the price of saturating on disjoint supports."
    )
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN; VINA Definition 3.3 (corrected)"
    estimator = "critic, logit form"
    bias = "lower bound"

    def gain(self, logits: Tensor) -> Tensor:
        return math.log(2) - softplus(-logits)

    def cost(self, logits: Tensor) -> Tensor:
        return softplus(logits) - math.log(2)

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return log_ratio
