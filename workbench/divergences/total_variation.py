"""Total variation distance, an f-divergence between 0 and 1.

Definition   D(P, Q) = ½ ∫ |p - q| = sup over sets B of |P(B) - Q(B)|,  f(u) = ½ |u-1|,  f*(t) = t for |t| <=
             ½
Estimator    sup over v of  E_P[½ tanh v] - E_Q[½ tanh v],  approached as v -> ±∞ with the sign of p - q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(TV), since TV <= 1

The better the critic, the flatter: at the optimal critic the model's gradient is zero almost everywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence, no_ratio

if TYPE_CHECKING:
    from torch import Tensor

#: Magnitude of the optimal critic's logits, which are infinite in theory; tanh(20) is 1 in double precision.
_SATURATED = 20.0


@DIVERGENCES.register
class TotalVariation(FDivergence):
    """Total variation (TV) distance ½ ∫ |p - q|, between 0 and 1."""

    key = "total_variation"
    title = "Total variation"
    summary = (
        "How well a single set tells the distributions apart; a good critic leaves the model without "
        "gradient."
    )
    reference = "Nowozin, Cseke, Tomioka (2016), f-GAN"
    definition = "½ ∫ |p - q|"
    concave = False
    from_ratio = False
    pinsker = 1.0
    pinsker_reason = "TV <= 1, hence TV <= sqrt(TV); used as it is, TV is sharper."
    slope_at_infinity = 0.5

    def generator(self, ratio: Tensor) -> Tensor:
        return 0.5 * (ratio - 1).abs()

    def conjugate(self, t: Tensor) -> Tensor:
        return torch.where(t <= 0.5, t.clamp_min(-0.5), math.inf)

    def gain(self, logits: Tensor) -> Tensor:
        return 0.5 * logits.tanh()

    def cost(self, logits: Tensor) -> Tensor:
        return 0.5 * logits.tanh()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return _SATURATED * log_ratio.sign()

    def log_ratio(self, logits: Tensor) -> Tensor:
        raise no_ratio(self)
