"""Invertible autoencoder: the decoder has the encoder's weights, transposed, and its activation inverted.

forward   h = x;  h ← σ(W_l h + b_l), l = 1 … L;  [ŷ, z] = W_{L+1} h + b_{L+1};  σ(v) = v, or v / c for v < 0
inverse   h ← W_{L+1}ᵀ ([y, z] − b_{L+1});  h ← W_lᵀ (σ⁻¹(h) − b_l), l = L … 1;  σ⁻¹(v) = v, or c v for v < 0
          the transpose inverts a matrix with orthonormal columns; one with more columns than rows has none
Trained by |y − ŷ|² + α MMD²([ŷ, z], [y, N(0, I)]) + β |x − x̂|², and optionally γ Σ_l ‖W_lᵀ W_l − I‖² (with
the smaller of the two Gram matrices).
Source: Teng & Choromanska 2019, Invertible Autoencoder for Domain Adaptation, Computation 7(2), 20;
Kruse, Ardizzone, Rother & Köthe 2021, arXiv:2101.10763; the loss: Mehta et al., A review of invertible neural
networks, eq. (16).
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
    """Invertible autoencoder: its decoder is an inverse as far as the encoder's matrices are orthogonal."""

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
        Invertible activation: values below zero are divided by the slope, others are unchanged.""",
    )
    slope = param.Number(
        default=2.0,
        bounds=(1.0, 10.0),
        doc="""
        Factor c by which the encoder divides values below zero and the decoder multiplies them.""",
    )
    code_features = param.Integer(default=0, bounds=(0, 64), doc=CODE_FEATURES_DOC)

    def assemble(self, shapes: Shapes) -> InvertibleAutoencoderModel:
        from workbench.architectures.models.invertible_autoencoder import InvertibleAutoencoderModel

        latent_features = self.code_size(shapes)
        sizes = [shapes.x, *[self.width] * self.depth, shapes.y + latent_features]
        return InvertibleAutoencoderModel(shapes, latent_features, sizes, self.slope, self.capabilities)
