"""Autoencoder: an encoder that predicts y and keeps a code z of the rest, and a decoder.

forward   [ŷ, z] = e(x)
inverse   x̂ = d(y, z): learned, so that d(e(x)) is x only as far as the training went
          z ~ N(0, I) and the observed y give a draw of x
Trained by loss (16): |y − ŷ|² + α MMD²([ŷ, z], [y, N(0, I)]) + β |x − x̂|²; without y, and with α = 0, it is
the classical autoencoder, whose code may be narrower than x.
Source: Kruse, Ardizzone, Rother & Köthe 2021, arXiv:2101.10763; Hinton & Salakhutdinov 2006, Science 313.
"""

from __future__ import annotations

from typing import ClassVar

import param
from torch import Tensor
from zuko.nn import MLP

from workbench.architectures.base import ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.architectures.code_model import CODE_CAPABILITIES, CodeModel, code_size
from workbench.core.shapes import Shapes


class AutoencoderModel(CodeModel):
    """Two networks of their own: e, x (n, D) -> [ŷ, z] (n, M + K), and d, the other way."""

    def __init__(
        self, shapes: Shapes, latent_features: int, network: dict, capabilities: frozenset[str]
    ) -> None:
        super().__init__(shapes, latent_features, capabilities)
        self.there = MLP(shapes.x, shapes.y + latent_features, **network)
        self.back = MLP(shapes.y + latent_features, shapes.x, **network)

    def encoder(self, x: Tensor) -> Tensor:
        return self.there(x)

    def decoder(self, code: Tensor) -> Tensor:
        return self.back(code)


@ARCHITECTURES.register
class Autoencoder(NetworkArchitecture):
    """What invertibility is worth can be seen beside it: here it is learned, not built in."""

    key = "autoencoder"
    title = "Autoencoder"
    summary = "An encoder predicts y and keeps a code of the rest; a network of its own decodes."
    reference = (
        "Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, "
        "Science 313; as an inverse network: Kruse et al. (2021), arXiv:2101.10763"
    )
    capabilities = CODE_CAPABILITIES
    inverse_tolerance: ClassVar[float] = float("inf")
    cost: ClassVar[CostCard] = CostCard(
        density="none",
        sampling="1 pass",
        inverse="learned, 1 pass",
        warning="It is invertible only as far as it has learned to be.",
    )

    width = param.Integer(default=128)
    depth = param.Integer(default=3)
    code_features = param.Integer(
        default=0,
        bounds=(0, 64),
        doc="""
        Number of components of the code z; 0 takes as many as x has over y, or all of x without y.""",
    )

    def assemble(self, shapes: Shapes) -> AutoencoderModel:
        return AutoencoderModel(
            shapes, code_size(shapes, self.code_features), self.network(), self.capabilities
        )
