"""Residual INN: the invertible network of [y, z], made of residual blocks instead of couplings.

forward   T([x, pad_x]) = [y, z, pad_z] with u ← u + g_j(u), j = 1 … M;  Lip(g_j) ≤ L < 1
log-det   Σ_j log det(I + ∂g_j/∂u), as in the residual flow; the objectives that do not ask for it pay for it
inverse   each block's fixed point;  Lip(T) ≤ (1 + L)^M, Lip(T⁻¹) ≤ (1 − L)^{−M}
Layout    as in `inn`: x first and padding after it; y, then z, then padding
Source: Behrmann et al. 2019, Invertible Residual Networks, arXiv:1811.00995; the use with [y, z]: VINA,
arXiv:2602.20480, section 4.1.2 and Definition 3.1 (there the bound is part of the class).
"""

from __future__ import annotations

import math
from typing import ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.inn import INN, InnModel
from workbench.architectures.residual_flow import ResidualFlow
from workbench.bijections.residual import Residual
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes
from workbench.nn.contraction import Contraction
from workbench.nn.smooth_network import CONTRACTIVE


class ResidualInnModel(InnModel):
    """The network with what is known of it in advance.

    Attributes
    ----------
    lipschitz, lipschitz_inverse : bounds of the Lipschitz constants of the padded map and of its inverse.
    """

    def __init__(
        self,
        shapes: Shapes,
        blocks: list[Residual],
        latent_features: int,
        width: int,
        capabilities: frozenset[str],
    ) -> None:
        super().__init__(shapes, blocks, latent_features, width, capabilities)
        self.lipschitz = math.prod(1 + block.network.lipschitz for block in blocks)
        self.lipschitz_inverse = math.prod(1 / (1 - block.network.lipschitz) for block in blocks)


@ARCHITECTURES.register
class ResidualINN(ResidualFlow):
    """VINA's i-ResNet: unlike the authors' program it is held to its Lipschitz bound at every step."""

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
    extra_latent = param.Integer(
        default=0,
        bounds=(0, 64),
        doc="""
        Latent components beyond the number that x has over y.""",
    )
    padding = param.Integer(
        default=0,
        bounds=(0, 64),
        doc="""
        More columns of padding on both sides. They give the network room; it must learn to ignore them.""",
    )

    def assemble(self, shapes: Shapes) -> ResidualInnModel:
        latent_features = (shapes.x - shapes.y if shapes.x > shapes.y else shapes.x) + self.extra_latent
        width = max(shapes.x, shapes.y + latent_features) + self.padding
        hidden = [self.width] if self.bounded else [self.width] * self.depth
        activation = CONTRACTIVE["tanh" if self.bounded else self.activation]
        blocks = []
        for _ in range(self.transforms):
            network = Contraction(
                width,
                0,
                hidden,
                activation,
                lipschitz=self.lipschitz,
                bias_bound=self.bias_bound if self.bounded else math.inf,
            )
            blocks.append(
                Residual(
                    width,
                    network,
                    method=self.log_det,
                    terms=self.terms,
                    probes=self.probes,
                    tolerance=self.tolerance,
                )
            )
        return ResidualInnModel(shapes, blocks, latent_features, width, self.capabilities)
