"""Conditional INN: two-sided affine couplings whose networks also read the observation y.

forward   z = T(x; h(y));  u₁, u₂ the halves of a block's input:
          v₁ = u₁ ⊙ exp s₂(u₂, h) + t₂(u₂, h),  v₂ = u₂ ⊙ exp s₁(v₁, h) + t₁(v₁, h)
          fixed random permutations between the blocks; h(y) = y, or an embedding trained together with them
log-det   Σ over the blocks of Σ s₂ + Σ s₁
inverse   block after block in closed form, with the same h(y): T⁻¹(z; h(y)), z ~ N(0, I), is a sample of x
          s = (2c/π) arctan(ŝ/c) stays within ±c, so that no single block stretches or shrinks without bound
Trained by maximum likelihood: E[ |z|²/2 − log|det ∂T/∂x| ].
Source: Ardizzone et al. 2019, Guided Image Generation with Conditional Invertible Neural Networks,
arXiv:1907.02392; Kruse et al. 2021, arXiv:2101.10763.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from zuko.lazy import LazyTransform

    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class ConditionalINN(EmbeddedArchitecture, LayeredArchitecture):
    """Conditional invertible neural network (cINN): the networks in its couplings read y."""

    key = "conditional_inn"
    title = "Conditional INN"
    summary = (
        "Couplings that change both halves of x by what their networks compute from the other half and y."
    )
    reference = (
        "Ardizzone, Lüth, Kruse, Rother & Köthe (2019), Guided Image Generation with Conditional "
        "Invertible Neural Networks, arXiv:1907.02392"
    )
    capabilities = FLOW_CAPABILITIES - {Capability.UNCONDITIONAL}
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="1 pass", inverse="exact, 1 pass")

    transforms = param.Integer(default=6)
    clamp = param.Number(
        default=2.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one coupling: it stretches by exp(clamp) at most.""",
    )

    def refusals(self, shapes: Shapes) -> list[str]:
        reasons = super().refusals(shapes)
        return [*reasons, self._cannot_split()] if shapes.x == 1 else reasons

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.lazy import UnconditionalTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.reordering import Reordering
        from workbench.bijections.two_sided_coupling import TwoSidedCoupling

        embedding, context = self.embedding_for(shapes)
        layers: list[LazyTransform] = []
        for number in range(self.transforms):
            if number > 0:
                order = torch.randperm(shapes.x)
                layers.append(UnconditionalTransform(Reordering, order, buffer=True))
            layers.append(TwoSidedCoupling(shapes.x, context, clamp=self.clamp, network=self.network()))
        return ZukoFlowModel(layers, shapes, self.capabilities, embedding)
