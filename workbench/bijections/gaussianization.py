"""Gaussianization: each component passes through the CDF of a mixture, then the quantile function of N(0, 1).

forward   v = Φ⁻¹( (1/K) Σ_k Φ(exp(a_k) u + b_k) )
log-det   log (1/K) Σ_k exp(a_k) φ(exp(a_k) u + b_k) − log φ(v)
inverse   v lies between the smallest and the largest of exp(a_k) u + b_k, so that u lies between the smallest
          and the largest (v − b_k) exp(−a_k), where root finding locates it
Source: Meng, Song, Song & Ermon 2020, Gaussianization Flows, arXiv:2003.01941; Chen & Gopinath 2000.
Computed with the logarithm of the smaller tail probability: 1 − Φ(6) is already zero in single precision.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.bijections.transform import JointMixin, ScalarTransform
from workbench.bijections.two_sided_coupling import soft_clamp
from workbench.nn.normal_quantile import log_quantile
from workbench.nn.root import polish, search

#: Largest |a|: the standard deviations of a mixture's components are at least exp(−5).
LARGEST = 5.0


class GaussianizationTransform(JointMixin, ScalarTransform):
    """Elementwise map of u (…, D), with ``shift`` b and ``log_scale`` a (…, D, K); a is softly clamped."""

    def __init__(self, shift: Tensor, log_scale: Tensor) -> None:
        super().__init__()
        self.shift, self.log_scale = shift, soft_clamp(log_scale, LARGEST)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        inside = u[..., None] * self.log_scale.exp() + self.shift
        count = math.log(inside.shape[-1])
        below = torch.special.log_ndtr(inside).logsumexp(-1) - count
        above = torch.special.log_ndtr(-inside).logsumexp(-1) - count
        lower = below < above
        v = log_quantile(torch.where(lower, below, above)) * torch.where(lower, 1.0, -1.0).to(u.dtype)
        log_density = (self.log_scale - 0.5 * inside.square()).logsumexp(-1) - count
        return v, log_density + 0.5 * v.square()

    def _inverse(self, v: Tensor) -> Tensor:
        with torch.no_grad():
            ends = (v[..., None] - self.shift) * (-self.log_scale).exp()
            start = search(self.call_and_ladj, v, ends.amin(-1), ends.amax(-1))
        return polish(start, *self.call_and_ladj(start), v)
