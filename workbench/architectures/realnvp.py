"""RealNVP: affine couplings, whose log-determinant is a sum of outputs of their networks.

forward   z_a = x_a,  z_b = x_b ⊙ exp s(x_a, y) + t(x_a, y);  the halves a and b alternate from layer to layer
log-det   Σ s(x_a, y), summed over the layers
inverse   x_a = z_a,  x_b = (z_b − t(z_a, y)) ⊙ exp(−s(z_a, y))
          s = ŝ / (1 + |ŝ| / c) stays within ±c, so that no single layer stretches or shrinks without bound
Source: Dinh, Sohl-Dickstein & Bengio 2017, Density estimation using Real NVP, arXiv:1605.08803.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.architectures.base import ARCHITECTURES
from workbench.architectures.couplings import MIXING, MIXING_DOC, AffineCouplingArchitecture
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class RealNVP(AffineCouplingArchitecture):
    """Real-valued non-volume-preserving flow (RealNVP): affine couplings."""

    key = "realnvp"
    title = "RealNVP"
    summary = (
        "Half of the components is scaled and shifted by an amount that a network computes from the "
        "other half."
    )
    reference = (
        "Dinh, Sohl-Dickstein & Bengio (2017), Density estimation using Real NVP, ICLR, arXiv:1605.08803"
    )

    mixing = param.Selector(default="none", objects=MIXING, doc=MIXING_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel

        layers = self.affine_couplings(shapes, mixing=self.mixing)
        return ZukoFlowModel(layers, shapes, self.capabilities)
