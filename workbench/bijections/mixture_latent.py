"""A latent whose first component has two modes, seen as a map to a standard normal one.

forward   v_c = Φ⁻¹( ½ Φ((u_c + m)/s) + ½ Φ((u_c − m)/s) ) for one column c, the others unchanged
log-det   log ½ Σ_± N(u_c; ∓m, s²) − log φ(v_c)
inverse   by a root search (see gaussianization): v_c ~ N(0, 1) becomes u_c ~ ½ N(−m, s²) + ½ N(m, s²)
A network that must tear one blob into two modes needs slopes without end; the tearing is done here, once and
by a formula, and the network in front stays tame.
Source: Hagemann & Neumayer 2021, Stabilizing Invertible Neural Networks Using Mixture Models,
arXiv:2009.02994.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform

from workbench.bijections.gaussianization import LARGEST, GaussianizationTransform


class MixtureLatent(LazyTransform):
    """The layer; it learns nothing and does not look at the context.

    Parameters
    ----------
    column : c. ``distance`` : m, of a mode from zero. ``scale`` : s, the standard deviation of a mode.
    """

    def __init__(self, column: int, distance: float, scale: float) -> None:
        super().__init__()
        self.column = column
        # undoes the soft clamp of the layer that is borrowed here
        log_scale = LARGEST * math.tan(-math.log(scale) * math.pi / (2 * LARGEST))
        self.register_buffer("shift", torch.tensor([[distance / scale, -distance / scale]]))
        self.register_buffer("log_scale", torch.full((1, 2), log_scale))

    def forward(self, c: Tensor | None = None) -> Transform:
        return MixtureLatentTransform(self, GaussianizationTransform(self.shift, self.log_scale))


class MixtureLatentTransform(Transform):
    """``inner`` on one column."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, layer: MixtureLatent, inner: Transform) -> None:
        super().__init__()
        self.layer, self.inner = layer, inner

    @property
    def inv(self) -> Transform:
        return MixtureLatentTransform(self.layer, self.inner.inv)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        c = self.layer.column
        moved = self.inner(u[..., c : c + 1])
        log_det = self.inner.log_abs_det_jacobian(u[..., c : c + 1], moved)
        return torch.cat((u[..., :c], moved, u[..., c + 1 :]), dim=-1), log_det[..., 0]

    def _call(self, u: Tensor) -> Tensor:
        return self.call_and_ladj(u)[0]

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv.call_and_ladj(v)[0]

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.call_and_ladj(u)[1]
