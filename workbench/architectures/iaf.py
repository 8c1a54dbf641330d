"""Inverse autoregressive flow (IAF): the masked autoregressive flow inverted, so that sampling is cheap.

forward   z_i = (x_i − t_i(z_{<i}, y)) exp(−s_i(z_{<i}, y)), one component after the other: D passes per layer
log-det   −Σ_i s_i(z_{<i}, y), summed over the layers
inverse   x_i = z_i exp s_i(z_{<i}, y) + t_i(z_{<i}, y): all components at once
          s = ŝ / (1 + |ŝ| / c) stays within ±c
Source: Kingma et al. 2016, Improved Variational Inference with Inverse Autoregressive Flow, arXiv:1606.04934.
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
class IAF(AffineAutoregressiveArchitecture):
    """Inverse autoregressive flow: samples take one pass, densities, hence maximum likelihood, D passes."""

    key = "iaf"
    title = "Inverse autoregressive flow"
    summary = (
        "Each component of x is scaled and shifted by what a masked network computes from the latent "
        "before it."
    )
    reference = (
        "Kingma et al. (2016), Improved Variational Inference with Inverse Autoregressive Flow, "
        "NeurIPS, arXiv:1606.04934"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="D passes", sampling="1 pass", inverse="exact, 1 pass")
    inverse_direction = True

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel

        return ZukoFlowModel(self.affine_layers(shapes), shapes, self.capabilities)
