"""RealNVP: affine couplings, whose log-determinant is a sum of outputs of their networks.

forward   z_a = x_a,  z_b = x_b ⊙ exp s(x_a, y) + t(x_a, y);  a and b exchange places from layer to layer
log-det   Σ s(x_a, y), over the layers
inverse   x_a = z_a,  x_b = (z_b − t(z_a, y)) ⊙ exp(−s(z_a, y))
          s = ŝ / (1 + |ŝ| / c) stays within ±c, so that no single layer can explode or collapse space
Source: Dinh, Sohl-Dickstein & Bengio 2017, Density estimation using Real NVP, arXiv:1605.08803.
"""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

import param
from zuko.transforms import MonotonicAffineTransform

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import FLOW_CAPABILITIES, MIXING, MIXING_DOC, coupling_layers
from workbench.architectures.flow_model import ZukoFlowModel
from workbench.core.shapes import Shapes


@ARCHITECTURES.register
class RealNVP(LayeredArchitecture):
    """Real-valued non-volume-preserving flow."""

    key = "realnvp"
    title = "RealNVP"
    summary = (
        "Half of the components is scaled and shifted by an amount that a network reads off the other half."
    )
    reference = (
        "Dinh, Sohl-Dickstein & Bengio (2017), Density estimation using Real NVP, ICLR, arXiv:1605.08803"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="1 pass", inverse="exact, 1 pass")
    least_features = 2

    transforms = param.Integer(default=8)
    clamp = param.Number(
        default=3.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one layer: it stretches by exp(clamp) at most. Small values are stable, large
        ones reach sharp densities with few layers.""",
    )
    mixing = param.Selector(default="none", objects=MIXING, doc=MIXING_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        affine = partial(MonotonicAffineTransform, slope=math.exp(-self.clamp))
        layers = coupling_layers(
            shapes,
            self.transforms,
            univariate=affine,
            parameters=((), ()),
            network=self.network(),
            mixing=self.mixing,
        )
        return ZukoFlowModel(layers, shapes, self.capabilities)
