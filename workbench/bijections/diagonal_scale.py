"""Learned factor per component: the only layer of NICE that changes volume.

forward   v_i = exp(a_i) u_i
log-det   Σ a_i, the same for every point
inverse   u_i = exp(−a_i) v_i
Source: Dinh, Krueger & Bengio 2014, NICE, arXiv:1410.8516, section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import VectorTransform


class DiagonalScaleTransform(VectorTransform):
    """Transform v = exp(a) ⊙ u, where a (D,) is ``log_scale``."""

    def __init__(self, log_scale: Tensor) -> None:
        super().__init__()
        self.log_scale = log_scale

    def _call(self, u: Tensor) -> Tensor:
        return u * self.log_scale.exp()

    def _inverse(self, v: Tensor) -> Tensor:
        return v * (-self.log_scale).exp()

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.log_scale.sum().expand(u.shape[:-1])


class DiagonalScale(LazyTransform):
    """Layer that scales each component; it starts as the identity and does not depend on the context."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(features))

    def forward(self, c: Tensor | None = None) -> Transform:
        return DiagonalScaleTransform(self.log_scale)
