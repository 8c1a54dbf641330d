"""What MAF and IAF with a decoder share: a flow from x to [y, z], and a second network that leads back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import param
import torch
from torch import Tensor
from zuko.lazy import LazyTransform
from zuko.nn import MLP
from zuko.transforms import MonotonicAffineTransform

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.inn import InnModel
from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes


class DecodedFlowModel(InnModel):
    """The layout of the INN with autoregressive blocks, and a decoder in the place of their slow inverse.

    Parameters
    ----------
    blocks : lazy transforms of width W.
    decoder : [y, z] (n, M + K) -> x (n, D).
    """

    def __init__(
        self,
        shapes: Shapes,
        blocks: Sequence[LazyTransform],
        decoder: MLP,
        latent_features: int,
        width: int,
        capabilities: frozenset[str],
    ) -> None:
        super().__init__(shapes, list(blocks), latent_features, width, capabilities)
        self.decoder = decoder

    def decode(self, y: Tensor, z: Tensor) -> Tensor:
        """y (n, M), z (n, K) -> x (n, D), in one pass and by what was learned."""
        return self.decoder(torch.cat((y, z), dim=-1))

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """z (n, K), y (n, M) -> x (n, D) by the decoder, whose determinant is that of no bijection."""
        self.join(self._needed(y), z)  # for its checks
        return self.decode(y, z), None

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """x (n, D) by the decoder."""
        return Model.draw(self, z, y)

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """[z, y] first, so that the latent comes first, and x."""
        x = self.inverse(z, y)[0]
        return [torch.cat((z, y), dim=-1), x]


class DecodedArchitecture(AutoregressiveArchitecture):
    """A member says which way its layers are turned."""

    capabilities = frozenset(
        {
            Capability.LATENT,
            Capability.CONDITIONAL,
            Capability.FORWARD,
            Capability.JOINT_LIKELIHOOD,
            Capability.DECODER,
        }
    )
    #: the decoder promises nothing
    inverse_tolerance: ClassVar[float] = float("inf")

    clamp = param.Number(
        default=3.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one layer: it stretches by exp(clamp) at most.""",
    )
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

    def turned(self, layer: LazyTransform) -> LazyTransform:
        """The layer in the direction from x to [y, z]."""
        return layer

    def assemble(self, shapes: Shapes) -> DecodedFlowModel:
        latent_features = shapes.x - shapes.y if shapes.x > shapes.y else shapes.x
        width = max(shapes.x, shapes.y + latent_features)
        affine = partial(MonotonicAffineTransform, slope=math.exp(-self.clamp))
        layers = self.autoregressive_layers(Shapes(width, 0), lambda: affine, ((), ()))
        network = self.network() | {"hidden_features": [self.decoder_width] * self.decoder_depth}
        decoder = MLP(shapes.y + latent_features, shapes.x, **network)
        return DecodedFlowModel(
            shapes,
            [self.turned(layer) for layer in layers],
            decoder,
            latent_features,
            width,
            self.capabilities,
        )
