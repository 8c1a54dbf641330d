"""Base of the autoencoders: a network that encodes x as [ŷ, z] and decodes it again."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.model import Model
from workbench.core.shapes import Shapes


class CodeModel(Model):
    """Base of models with an encoder x -> [ŷ, z] and a decoder [y, z] -> x, which a subclass implements.

    Neither has a log-determinant. Without an observation the code is z alone, and the model predicts no y.
    """

    def __init__(self, shapes: Shapes, latent_features: int, capabilities: frozenset[str]) -> None:
        available = capabilities if shapes.y else capabilities - {Capability.FORWARD}
        super().__init__(shapes.x, shapes.y, latent_features, available)

    @abstractmethod
    def encoder(self, x: Tensor) -> Tensor:
        """Encode x (n, D) -> [ŷ, z] (n, M + K)."""

    @abstractmethod
    def decoder(self, code: Tensor) -> Tensor:
        """Decode [y, z] (n, M + K) -> x (n, D)."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode x (n, D) -> ŷ (n, M), with M = 0 without an observation, and z (n, K)."""
        check_rows("x", x, self.features)
        return self.encoder(x).split((self.context, self.latent_features), dim=-1)

    def decode(self, y: Tensor | None, z: Tensor) -> Tensor:
        """Decode y (n, M) or None, z (n, K) -> x (n, D)."""
        return self.decoder(z if not self.context else torch.cat((y, z), dim=-1))

    def predict(self, x: Tensor) -> Tensor:
        """Predicted observation: x (n, D) -> ŷ (n, M). Raises `DataError` for a model without observation."""
        if not self.context:
            raise DataError("This model predicts no observation", found="one that was trained without y")
        return self.encode(x)[0]

    def latent(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, None]:
        """Encode x (n, D); return z (n, K), and None as log-determinant. Of y only the shape is checked."""
        if y is not None:
            check_context(y, self.context, x.shape[0])
        return self.encode(x)[1], None

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """Decode z (n, K) and y (n, M); return x (n, D), and None in place of a log-determinant."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        return self.decode(y, z), None
