"""Model of the residual INN (`workbench.architectures.residual_inn`)."""

from __future__ import annotations

from workbench.architectures.models.inn import InnModel
from workbench.architectures.models.residual_flow import lipschitz_bounds
from workbench.bijections.residual import Residual
from workbench.core.shapes import Shapes


class ResidualInnModel(InnModel):
    """INN of residual blocks, whose Lipschitz constants are bounded for any weights.

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
        self.lipschitz, self.lipschitz_inverse = lipschitz_bounds(blocks)
