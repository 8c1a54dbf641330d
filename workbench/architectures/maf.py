"""Masked autoregressive flow (MAF): each component is scaled and shifted, given the components before it.

forward   z_i = x_i exp s_i(x_{<i}, y) + t_i(x_{<i}, y);  the order changes from layer to layer
log-det   Σ_i s_i(x_{<i}, y), summed over the layers; the Jacobian of a layer is triangular in its order
inverse   x_i = (z_i − t_i(x_{<i}, y)) exp(−s_i(x_{<i}, y)), one component after the other: D passes per layer
          s = ŝ / (1 + |ŝ| / c) stays within ±c
Source: Papamakarios, Pavlakou & Murray 2017, Masked Autoregressive Flow for Density Estimation,
arXiv:1705.07057; the masks: Germain, Gregor, Murray & Larochelle 2015, MADE, arXiv:1502.03509.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from workbench.architectures.autoregressive import AffineAutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class MAF(AffineAutoregressiveArchitecture):
    """Masked autoregressive flow; if x has one component and there is no y, it can only fit a Gaussian."""

    key = "maf"
    title = "Masked autoregressive flow"
    summary = (
        "Each component is scaled and shifted by an amount that a masked network computes from those "
        "before it."
    )
    reference = (
        "Papamakarios, Pavlakou & Murray (2017), Masked Autoregressive Flow for Density "
        "Estimation, NeurIPS, arXiv:1705.07057"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="D passes", inverse="exact, D passes")

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel

        return ZukoFlowModel(self.affine_layers(shapes), shapes, self.capabilities)
