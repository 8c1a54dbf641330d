"""Invertible autoencoder: the decoder has the encoder's weights, transposed, and its activation inverted.

forward   h ← σ(W_l h + b_l), l = 1 … L;  [ŷ, z] = W_{L+1} h + b_{L+1};  σ(v) = v, for negative v: v / c
inverse   h ← W_{L+1}ᵀ ([y, z] − b_{L+1});  h ← W_lᵀ (σ⁻¹(h) − b_l), l = L … 1;  σ⁻¹(v) = v, negative: c v
          a matrix with orthonormal columns is undone by its transpose; one that is wider than high cannot be
Trained by loss (16): |y − ŷ|² + α MMD²([ŷ, z], [y, N(0, I)]) + β |x − x̂|², and γ Σ_l ‖W_lᵀ W_l − I‖² if
wanted (of the Gram matrix on the shorter side).
Source: Teng & Choromanska 2019, Invertible Autoencoder for Domain Adaptation, Computation 7(2), 20;
Kruse, Ardizzone, Rother & Köthe 2021, arXiv:2101.10763.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.codes import CODE_FEATURES_DOC, CodeArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.invertible_autoencoder import InvertibleAutoencoderModel


@ARCHITECTURES.register
class InvertibleAutoencoder(CodeArchitecture):
    """Half as many weights as an autoencoder of its width, and an inverse as good as they are orthogonal."""

    key = "invertible_autoencoder"
    title = "Invertible autoencoder"
    summary = "The decoder is the encoder backwards: its weights transposed, its activation inverted."
    reference = (
        "Teng & Choromanska (2019), Invertible Autoencoder for Domain Adaptation, Computation 7(2), "
        "20; Kruse et al. (2021), arXiv:2101.10763"
    )
    capabilities = CodeArchitecture.capabilities | {Capability.TIED}
    cost: ClassVar[CostCard] = CostCard(
        density="none",
        sampling="1 pass",
        inverse="learned, 1 pass",
        warning="It is invertible only as far as its matrices are orthogonal.",
    )

    activation = param.Selector(
        default="leaky_relu",
        objects=["leaky_relu"],
        doc="""
        The activation must have an inverse: values below zero are divided by the slope, others stay.""",
    )
    slope = param.Number(
        default=2.0,
        bounds=(1.0, 10.0),
        doc="""
        By how much values below zero are divided on the way to the code, and multiplied on the way back.""",
    )
    code_features = param.Integer(default=0, bounds=(0, 64), doc=CODE_FEATURES_DOC)

    def assemble(self, shapes: Shapes) -> InvertibleAutoencoderModel:
        from workbench.architectures.models.invertible_autoencoder import InvertibleAutoencoderModel

        latent_features = self.code_size(shapes)
        sizes = [shapes.x, *[self.width] * self.depth, shapes.y + latent_features]
        return InvertibleAutoencoderModel(shapes, latent_features, sizes, self.slope, self.capabilities)
