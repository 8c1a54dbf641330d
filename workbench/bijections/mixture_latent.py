"""A latent whose first component has two modes, as a map to a standard normal latent.

forward   v_c = Φ⁻¹( ½ Φ((u_c + m)/s) + ½ Φ((u_c − m)/s) ) for one column c, the others unchanged
log-det   log ½ Σ_± N(u_c; ∓m, s²) − log φ(v_c)
inverse   by root finding (see gaussianization): v_c ~ N(0, 1) becomes u_c ~ ½ N(−m, s²) + ½ N(m, s²)
A network that maps one mode to two needs unbounded slopes; here a fixed formula separates the modes, and the
slopes of the network before this layer stay moderate.
Source: Hagemann & Neumayer 2021, Stabilizing Invertible Neural Networks Using Mixture Models,
arXiv:2009.02994.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.gaussianization import LARGEST, GaussianizationTransform
from workbench.bijections.transform import JointMixin, VectorTransform


class MixtureLatent(LazyTransform):
    """Layer that maps a bimodal column of the latent to a standard normal one; it has no parameters.

    Parameters
    ----------
    column : index c of this column.
    distance : m, the distance of each mode from zero.
    scale : s, the standard deviation of a mode.
    """

    def __init__(self, column: int, distance: float, scale: float) -> None:
        super().__init__()
        self.column = column
        # inverts the soft clamp of the transform that is used inside
        log_scale = LARGEST * math.tan(-math.log(scale) * math.pi / (2 * LARGEST))
        self.register_buffer("shift", torch.tensor([[distance / scale, -distance / scale]]))
        self.register_buffer("log_scale", torch.full((1, 2), log_scale))

    def forward(self, c: Tensor | None = None) -> Transform:
        return MixtureLatentTransform(self, GaussianizationTransform(self.shift, self.log_scale))


class MixtureLatentTransform(JointMixin, VectorTransform):
    """Transform that applies ``inner`` to one column of u and leaves the others unchanged."""

    def __init__(self, layer: MixtureLatent, inner: Transform) -> None:
        super().__init__()
        self.layer, self.inner = layer, inner

    @property
    def inv(self) -> Transform:
        return MixtureLatentTransform(self.layer, self.inner.inv)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        c = self.layer.column
        image = self.inner(u[..., c : c + 1])
        log_det = self.inner.log_abs_det_jacobian(u[..., c : c + 1], image)
        return torch.cat((u[..., :c], image, u[..., c + 1 :]), dim=-1), log_det[..., 0]

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv.call_and_ladj(v)[0]
