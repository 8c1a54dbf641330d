"""Residual INN: an invertible network from x to [y, z], made of residual blocks instead of couplings.

forward   T([x, pad_x]) = [y, z, pad_z] with u ← u + g_j(u), j = 1 … M;  Lip(g_j) ≤ L < 1
log-det   Σ_j log det(I + ∂g_j/∂u), as in the residual flow; it is computed for every objective
inverse   each block's fixed point;  Lip(T) ≤ (1 + L)^M, Lip(T⁻¹) ≤ (1 − L)^{−M}
Layout    as in `inn`: the input is x, then padding; the output is y, then z, then padding
Source: Behrmann et al. 2019, Invertible Residual Networks, arXiv:1811.00995; the use with [y, z]: VINA,
arXiv:2602.20480, section 4.1.2 and Definition 3.1 (there the bound is part of the class).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.inn import EXTRA_LATENT_DOC, INN, PADDING_DOC
from workbench.architectures.residual_flow import ResidualArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.residual_inn import ResidualInnModel


@ARCHITECTURES.register
class ResidualINN(ResidualArchitecture):
    """i-ResNet of the VINA paper; unlike in its authors' program, the Lipschitz bound holds at every step."""

    key = "residual_inn"
    title = "Residual invertible network"
    summary = (
        "One bijection of residual blocks predicts y from x and keeps the rest in z; how much it "
        "stretches, both ways, is bounded."
    )
    reference = (
        "Behrmann et al. (2019), Invertible Residual Networks, ICML, arXiv:1811.00995; VINA, "
        "arXiv:2602.20480, section 4.1.2"
    )
    capabilities = INN.capabilities - {Capability.EXACT_INVERSE}
    cost: ClassVar[CostCard] = CostCard(
        density="none of x",
        sampling="some tens of passes",
        inverse="numerical, a fixed point a block",
        warning="What it can stretch is bounded: few blocks reach no sharp posterior.",
    )

    log_det = param.Selector(default="exact")
    extra_latent = param.Integer(default=0, bounds=(0, 64), doc=EXTRA_LATENT_DOC)
    padding = param.Integer(default=0, bounds=(0, 64), doc=PADDING_DOC)

    def assemble(self, shapes: Shapes) -> ResidualInnModel:
        from workbench.architectures.models.inn import inn_layout
        from workbench.architectures.models.residual_inn import ResidualInnModel

        latent_features, width = inn_layout(shapes, self.extra_latent, self.padding)
        blocks = self.blocks(width, 0)
        return ResidualInnModel(shapes, blocks, latent_features, width, self.capabilities)
