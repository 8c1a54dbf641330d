"""Model of the autoencoder (`workbench.architectures.autoencoder`)."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from zuko.nn import MLP

from workbench.architectures.models.code_model import CodeModel
from workbench.core.shapes import Shapes


class AutoencoderModel(CodeModel):
    """Autoencoder of two networks: e, x (n, D) -> [ŷ, z] (n, M + K), and d, [y, z] -> x."""

    def __init__(
        self, shapes: Shapes, latent_features: int, network: dict[str, Any], capabilities: frozenset[str]
    ) -> None:
        super().__init__(shapes, latent_features, capabilities)
        self.there = MLP(shapes.x, shapes.y + latent_features, **network)
        self.back = MLP(shapes.y + latent_features, shapes.x, **network)

    def encoder(self, x: Tensor) -> Tensor:
        return self.there(x)

    def decoder(self, code: Tensor) -> Tensor:
        return self.back(code)
