"""Gaussianization flow (GF): each component is mapped towards a normal one, then all are rotated, repeatedly.

forward   v_i = Φ⁻¹( (1/K) Σ_k Φ(exp(a_{ik}(y)) x_i + b_{ik}(y)) );  then a rotation R = exp(A − Aᵀ)
log-det   Σ_i log ∂v_i/∂x_i; that of a rotation is 0
inverse   Rᵀ, and x_i by root finding, all components at once
Source: Meng, Song, Song & Ermon 2020, Gaussianization Flows, arXiv:2003.01941.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import SEARCHED_CAPABILITIES, SEARCHED_FORMATS
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class Gaussianization(LayeredArchitecture):
    """Gaussianization flow. Without y it contains no networks: width, depth and activation have no effect."""

    key = "gaussianization"
    title = "Gaussianization flow"
    summary = "Each component is made normal by a learned mixture, then all are rotated, over and over."
    reference = "Meng, Song, Song & Ermon (2020), Gaussianization Flows, AISTATS, arXiv:2003.01941"
    capabilities = SEARCHED_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="1 pass, about 8 evaluations",
        inverse="numerical, 1 pass",
        warning="The inverse is searched for. Width, depth and activation matter only with a y.",
    )
    formats: ClassVar[dict[str, str]] = SEARCHED_FORMATS

    components = param.Integer(
        default=8,
        bounds=(1, 64),
        doc="""
        Number K of normal distributions in the mixture that maps a component, in each layer.""",
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.flows.gaussianization import ElementWiseTransform
        from zuko.lazy import UnconditionalTransform
        from zuko.transforms import RotationTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.gaussianization import GaussianizationTransform

        layers = []
        for number in range(self.transforms):
            if number > 0 and shapes.x > 1:
                layers.append(UnconditionalTransform(RotationTransform, torch.randn(shapes.x, shapes.x)))
            layers.append(
                ElementWiseTransform(
                    shapes.x,
                    shapes.y,
                    univariate=GaussianizationTransform,
                    shapes=((self.components,), (self.components,)),
                    **self.network(),
                )
            )
        return ZukoFlowModel(layers, shapes, self.capabilities)
