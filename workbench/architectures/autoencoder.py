"""Autoencoder: an encoder that predicts y and encodes in z what y leaves open, and a decoder.

forward   [ŷ, z] = e(x)
inverse   x̂ = d(y, z): learned, so that d(e(x)) is only approximately x
          z ~ N(0, I) and the observed y give a sample of x
Trained by |y − ŷ|² + α MMD²([ŷ, z], [y, N(0, I)]) + β |x − x̂|²; without y, and with α = 0, it is the
classical autoencoder, whose code z may have fewer components than x.
Source: Kruse, Ardizzone, Rother & Köthe 2021, arXiv:2101.10763; Hinton & Salakhutdinov 2006, Science 313; the
loss: Mehta et al., A review of invertible neural networks, eq. (16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.codes import CODE_FEATURES_DOC, CodeArchitecture
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.autoencoder import AutoencoderModel


@ARCHITECTURES.register
class Autoencoder(CodeArchitecture):
    """Autoencoder, a baseline for invertible networks: its inverse is learned, not built in."""

    key = "autoencoder"
    title = "Autoencoder"
    summary = "An encoder predicts y and keeps a code of the rest; a network of its own decodes."
    reference = (
        "Hinton & Salakhutdinov (2006), Reducing the Dimensionality of Data with Neural Networks, "
        "Science 313; as an inverse network: Kruse et al. (2021), arXiv:2101.10763"
    )
    cost: ClassVar[CostCard] = CostCard(
        density="none",
        sampling="1 pass",
        inverse="learned, 1 pass",
        warning="It is invertible only as far as it has learned to be.",
    )

    code_features = param.Integer(default=0, bounds=(0, 64), doc=CODE_FEATURES_DOC)

    def assemble(self, shapes: Shapes) -> AutoencoderModel:
        from workbench.architectures.models.autoencoder import AutoencoderModel

        return AutoencoderModel(shapes, self.code_size(shapes), self.network(), self.capabilities)
