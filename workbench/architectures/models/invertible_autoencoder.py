"""Model of the invertible autoencoder (`workbench.architectures.invertible_autoencoder`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.architectures.models.code_model import CodeModel
from workbench.core.shapes import Shapes


class InvertibleAutoencoderModel(CodeModel):
    """Autoencoder whose encoder and decoder share matrices and biases; the decoder uses their transposes.

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
        """Deviation from orthogonal matrices, Σ_l ‖W_lᵀ W_l − I‖² with the smaller Gram matrix: a scalar."""
        deviations = []
        for matrix in self.matrices:
            gram = matrix.mT @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.mT
            identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            deviations.append((gram - identity).square().sum())
        return torch.stack(deviations).sum()
