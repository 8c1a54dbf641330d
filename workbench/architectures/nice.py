"""NICE: additive couplings, which preserve volume, and one learned scale at the end.

forward   z_a = x_a,  z_b = x_b + t(x_a, y), a and b the halves of x, which alternate from layer to layer;
          at the end z_i ← exp(a_i) z_i
log-det   Σ a_i, the same for every point, since the couplings preserve volume
inverse   x_b = z_b − t(z_a, y)
Source: Dinh, Krueger & Bengio 2014, NICE: Non-linear Independent Components Estimation, arXiv:1410.8516.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.architectures.base import ARCHITECTURES
from workbench.architectures.couplings import MIXING, MIXING_DOC, CouplingArchitecture
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class NICE(CouplingArchitecture):
    """Non-linear independent components estimation: additive couplings (zuko's ``NICE`` is affine)."""

    key = "nice"
    title = "NICE"
    summary = "Half of the components is shifted by an amount that a network computes from the other half."
    reference = (
        "Dinh, Krueger & Bengio (2014), NICE: Non-linear Independent Components Estimation, arXiv:1410.8516"
    )
    least_features = 2

    transforms = param.Integer(default=8)
    mixing = param.Selector(default="none", objects=MIXING[:3], doc=MIXING_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.transforms import AdditiveTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.diagonal_scale import DiagonalScale

        layers = self.couplings(shapes, AdditiveTransform, ((),), mixing=self.mixing)
        return ZukoFlowModel([*layers, DiagonalScale(shapes.x)], shapes, self.capabilities)
