"""Model of MAF and IAF with a decoder (`workbench.architectures.maf_decoder` and ``iaf_decoder``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from zuko.lazy import LazyTransform
from zuko.nn import MLP

from workbench.architectures.models.inn import InnModel
from workbench.core.model import Model
from workbench.core.shapes import Shapes


class DecodedFlowModel(InnModel):
    """Autoregressive flow x -> [y, z] in the layout of the INN, with a decoder in place of its slow inverse.

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
        """y (n, M), z (n, K) -> x (n, D), in one pass of the decoder."""
        return self.decoder(torch.cat((y, z), dim=-1))

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """Decode z (n, K), y (n, M); return x (n, D), and None in place of a log-determinant."""
        self.join(self._require(y), z)  # for its checks
        return self.decode(y, z), None

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """z (n, K), y (n, M) or (1, M) -> x (n, D) by the decoder."""
        return Model.draw(self, z, y)

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """Return the decoder's input [z, y] (n, K + M), latent first, and its output x (n, D)."""
        x = self.inverse(z, y)[0]
        return [torch.cat((z, y), dim=-1), x]
