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

from typing import ClassVar

import param
import torch
from torch import Tensor, nn

from workbench.architectures.base import ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.architectures.code_model import CODE_CAPABILITIES, CodeModel, code_size
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes


class InvertibleAutoencoderModel(CodeModel):
    """One list of matrices and biases, used both ways.

    Parameters
    ----------
    sizes : D, the hidden widths, M + K.
    slope : c, by which negative values are divided on the way to the code.
    """

    def __init__(
        self,
        shapes: Shapes,
        latent_features: int,
        sizes: list[int],
        slope: float,
        capabilities: frozenset[str],
    ) -> None:
        super().__init__(shapes, latent_features, capabilities)
        self.slope = slope
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.matrices = nn.ParameterList(
            nn.init.orthogonal_(torch.empty(out, inside)) for inside, out in pairs
        )
        self.biases = nn.ParameterList(torch.zeros(out) for _, out in pairs)

    def encoder(self, x: Tensor) -> Tensor:
        for matrix, bias in zip(self.matrices[:-1], self.biases[:-1], strict=True):
            h = x @ matrix.mT + bias
            x = torch.where(h < 0, h / self.slope, h)
        return x @ self.matrices[-1].mT + self.biases[-1]

    def decoder(self, code: Tensor) -> Tensor:
        h = (code - self.biases[-1]) @ self.matrices[-1]
        for matrix, bias in zip(reversed(self.matrices[:-1]), reversed(self.biases[:-1]), strict=True):
            h = (torch.where(h < 0, h * self.slope, h) - bias) @ matrix
        return h

    def off_orthogonal(self) -> Tensor:
        """Σ_l ‖W_lᵀ W_l − I‖², of the Gram matrix on the shorter side: a scalar."""
        found = []
        for matrix in self.matrices:
            gram = matrix.mT @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.mT
            identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            found.append((gram - identity).square().sum())
        return torch.stack(found).sum()


@ARCHITECTURES.register
class InvertibleAutoencoder(NetworkArchitecture):
    """Half as many weights as an autoencoder of its width, and an inverse as good as they are orthogonal."""

    key = "invertible_autoencoder"
    title = "Invertible autoencoder"
    summary = "The decoder is the encoder backwards: its weights transposed, its activation inverted."
    reference = (
        "Teng & Choromanska (2019), Invertible Autoencoder for Domain Adaptation, Computation 7(2), "
        "20; Kruse et al. (2021), arXiv:2101.10763"
    )
    capabilities = CODE_CAPABILITIES | {Capability.TIED}
    inverse_tolerance: ClassVar[float] = float("inf")
    cost: ClassVar[CostCard] = CostCard(
        density="none",
        sampling="1 pass",
        inverse="learned, 1 pass",
        warning="It is invertible only as far as its matrices are orthogonal.",
    )

    width = param.Integer(default=128)
    depth = param.Integer(default=3)
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
    code_features = param.Integer(
        default=0,
        bounds=(0, 64),
        doc="""
        Number of components of the code z; 0 takes as many as x has over y, or all of x without y.""",
    )

    def assemble(self, shapes: Shapes) -> InvertibleAutoencoderModel:
        latent_features = code_size(shapes, self.code_features)
        sizes = [shapes.x, *[self.width] * self.depth, shapes.y + latent_features]
        return InvertibleAutoencoderModel(shapes, latent_features, sizes, self.slope, self.capabilities)
