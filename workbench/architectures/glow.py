"""Glow for vectors: repeated steps of actnorm, an invertible linear map and an affine coupling.

forward   u = exp(a) ⊙ x + b;  v = P L U u;  z_a = v_a,  z_b = v_b ⊙ exp s(v_a, y) + t(v_a, y)
log-det   Σ a_i + Σ d_i + Σ s(v_a, y), over the steps; exp(d) is the diagonal of U up to sign
inverse   v_b = (z_b − t(z_a, y)) ⊙ exp(−s(z_a, y));  u = U⁻¹ L⁻¹ Pᵀ v;  x = (u − b) ⊙ exp(−a)
          a and b are set at the first training batch such that its u has mean 0 and variance 1
          s = ŝ / (1 + |ŝ| / c) stays within ±c, so that no single step stretches or shrinks without bound
Source: Kingma & Dhariwal 2018, Glow: Generative Flow with Invertible 1×1 Convolutions, arXiv:1807.03039.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.architectures.base import ARCHITECTURES
from workbench.architectures.couplings import AffineCouplingArchitecture
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class Glow(AffineCouplingArchitecture):
    """Glow: RealNVP with actnorm and learned linear maps (for two components or more) between couplings."""

    key = "glow"
    title = "Glow"
    summary = (
        "RealNVP's couplings with learned linear maps between them, and a normalisation that the "
        "first batch initialises."
    )
    reference = (
        "Kingma & Dhariwal (2018), Glow: Generative Flow with Invertible 1x1 Convolutions, NeurIPS, "
        "arXiv:1807.03039"
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.actnorm import ActNorm
        from workbench.bijections.lu_linear import LULinear

        layers = []
        for coupling in self.affine_couplings(shapes):
            linear = [LULinear(shapes.x)] if shapes.x > 1 else []
            layers += [ActNorm(shapes.x), *linear, coupling]
        return ZukoFlowModel(layers, shapes, self.capabilities)
