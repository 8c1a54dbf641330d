"""α-divergences: one family from reverse KL (0) over Hellinger (½) and KL (1) to Pearson (2).

Definition   D(P||Q) = ∫ q f(p/q),  f(u) = (u^α - 1 - α (u-1)) / (α (α-1))
             α -> 1: u log u - u + 1 (KL);  α -> 0: -log u + u - 1 (reverse KL)
             f*(t) = ((1 + (α-1) t)^(α/(α-1)) - 1) / α;   α = 1: e^t - 1;   α = 0: -log(1-t)
Estimator    sup over v of  E_P[(e^((α-1)v) - 1)/(α-1)] - E_Q[(e^(αv) - 1)/α],  reached at v = log p/q
Bias         a lower bound for every critic; the value on the critic's own training samples is too high
Cost         one critic pass over both samples; the noise grows with |α - ½|
Pinsker      TV <= sqrt(D/2) for -1 <= α <= 2

The logit is log p/q itself: then (1 + (α-1) t) = (p/q)^(α-1) stays in the conjugate's domain for every α, and
α = 0 and α = 1 are not special.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence, tame_both

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences.gaussians import GaussianPair

#: Distance of α from 0 and 1 below which the limits are used; their error is of the same size.
_NEAR = 1e-6


def _power_slope(exponent: float, logits: Tensor) -> Tensor:
    """Return (e^(a v) - 1)/a, which tends to v as a -> 0."""
    return logits if abs(exponent) < _NEAR else torch.expm1(exponent * logits) / exponent


@DIVERGENCES.register
class Alpha(FDivergence):
    """α-divergence D(P||Q), with α as a setting."""

    key = "alpha"
    title = "α-divergence"
    summary = "A family from mode seeking (small α) to mass covering (large α)."
    reference = "Amari (1985); Nowozin, Cseke, Tomioka (2016), f-GAN"
    definition = "∫ q f(p/q), f(u) = (u^α - 1 - α(u-1)) / (α(α-1))"

    alpha = param.Number(
        0.5,
        bounds=(-3, 4),
        doc="0 is reverse KL, ½ twice the squared Hellinger distance, 1 KL, 2 half of Pearson's χ²: larger "
        "covers more, smaller seeks modes.",
    )

    @property
    def concave(self) -> bool:
        return 0 <= self.alpha <= 1

    @property
    def pinsker(self) -> float | None:
        return 1 / math.sqrt(2) if -1 <= self.alpha <= 2 else None

    @property
    def pinsker_reason(self) -> str:
        if self.pinsker is None:
            return f"For α = {self.alpha:g}, outside [-1, 2], no constant of this form is known here."
        return "Gilardoni (2010): D >= 2 TV² for -1 <= α <= 2."

    @property
    def slope_at_infinity(self) -> float:
        return math.inf if self.alpha > 1 - _NEAR else 1 / (1 - self.alpha)

    def generator(self, ratio: Tensor) -> Tensor:
        a = self.alpha
        if abs(a) < _NEAR:
            return ratio - 1 - ratio.log()
        if abs(a - 1) < _NEAR:
            return torch.special.xlogy(ratio, ratio) - ratio + 1
        return (ratio**a - 1 - a * (ratio - 1)) / (a * (a - 1))

    def conjugate(self, t: Tensor) -> Tensor:
        a = self.alpha
        if abs(a - 1) < _NEAR:
            return torch.expm1(t)
        base = 1 + (a - 1) * t
        inside = base > 0
        safe = torch.where(inside, base, 1.0)
        if abs(a) < _NEAR:
            return torch.where(inside, -safe.log(), math.inf)
        # beyond the domain: for α > 1 the supremum is at u = 0, where it is -f(0) = -1/α
        return torch.where(inside, (safe ** (a / (a - 1)) - 1) / a, -1 / a if a > 1 else math.inf)

    def _tamed(self, logits: Tensor) -> Tensor:
        return tame_both(logits, 40 / max(abs(self.alpha), abs(self.alpha - 1), 1.0))

    def gain(self, logits: Tensor) -> Tensor:
        return _power_slope(self.alpha - 1, self._tamed(logits))

    def cost(self, logits: Tensor) -> Tensor:
        return _power_slope(self.alpha, self._tamed(logits))

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        a = self.alpha
        if min(abs(a), abs(a - 1)) < _NEAR:
            return pair.reverse_kl() if abs(a) < _NEAR else pair.kl()
        return pair.log_power_integral(a).expm1() / (a * (a - 1))

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def log_ratio(self, logits: Tensor) -> Tensor:
        return self._tamed(logits)
