"""Base of MAF and IAF with a decoder: a flow from x to [y, z], and a second network from [y, z] to x."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AffineAutoregressiveArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.decoded_flow import DecodedFlowModel


class DecodedArchitecture(AffineAutoregressiveArchitecture):
    """Base of autoregressive flows x -> [y, z] with a decoder [y, z] -> x in place of the exact inverse."""

    capabilities = frozenset(
        {
            Capability.LATENT,
            Capability.CONDITIONAL,
            Capability.FORWARD,
            Capability.JOINT_LIKELIHOOD,
            Capability.DECODER,
        }
    )
    #: infinite, since the decoder inverts the flow only approximately
    inverse_tolerance: ClassVar[float] = float("inf")

    decoder_width = param.Integer(
        default=128,
        bounds=(4, 1024),
        doc="""
        Units in each hidden layer of the decoder.""",
    )
    decoder_depth = param.Integer(
        default=3,
        bounds=(1, 8),
        doc="""
        Hidden layers of the decoder.""",
    )

    def assemble(self, shapes: Shapes) -> DecodedFlowModel:
        from zuko.nn import MLP

        from workbench.architectures.models.decoded_flow import DecodedFlowModel
        from workbench.architectures.models.inn import inn_layout

        latent_features, width = inn_layout(shapes)
        layers = self.affine_layers(Shapes(width, 0))
        network = self.network() | {"hidden_features": [self.decoder_width] * self.decoder_depth}
        decoder = MLP(shapes.y + latent_features, shapes.x, **network)
        return DecodedFlowModel(shapes, layers, decoder, latent_features, width, self.capabilities)
