"""NICE: additive couplings, which move volume about without changing it, and one learned scale at the end.

forward   z_a = x_a,  z_b = x_b + t(x_a, y), a and b exchanging places from layer to layer;
          at the end z_i ← exp(a_i) z_i
log-det   Σ a_i, the same for every point: before the scale the map preserves volume
inverse   x_b = z_b − t(z_a, y)
Source: Dinh, Krueger & Bengio 2014, NICE: Non-linear Independent Components Estimation, arXiv:1410.8516.
"""

from __future__ import annotations

from typing import ClassVar

import param
from zuko.transforms import AdditiveTransform

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import FLOW_CAPABILITIES, MIXING, MIXING_DOC, coupling_layers
from workbench.architectures.flow_model import ZukoFlowModel
from workbench.bijections.diagonal_scale import DiagonalScale
from workbench.core.shapes import Shapes


@ARCHITECTURES.register
class NICE(LayeredArchitecture):
    """Non-linear independent components estimation; additive, while zuko's class of this name is affine."""

    key = "nice"
    title = "NICE"
    summary = "Half of the components is shifted by an amount that a network reads off the other half."
    reference = (
        "Dinh, Krueger & Bengio (2014), NICE: Non-linear Independent Components Estimation, arXiv:1410.8516"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="1 pass", inverse="exact, 1 pass")
    least_features = 2

    transforms = param.Integer(default=8)
    mixing = param.Selector(default="none", objects=MIXING[:3], doc=MIXING_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        layers = coupling_layers(
            shapes,
            self.transforms,
            univariate=AdditiveTransform,
            parameters=((),),
            network=self.network(),
            mixing=self.mixing,
        )
        return ZukoFlowModel([*layers, DiagonalScale(shapes.x)], shapes, self.capabilities)
