"""Model of the variational autoencoders (`workbench.architectures.vae` and ``conditional_vae``)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from zuko.nn import MLP

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.core.model import Model
from workbench.core.shapes import Shapes

#: largest |log v| of the encoder
_LARGEST_LOG_VARIANCE = 12.0


class VaeModel(Model):
    """Variational autoencoder with a decoder of Gaussian noise σ.

    A sample takes K + D standard normal numbers: the code and the decoder's noise.

    Parameters
    ----------
    code_features : K.
    sigma : σ in standardised units, the same for all components; 0 learns one per component.
    context : C, the number of features of y that both networks read.
    network : hidden sizes and activation of both networks.
    embedding : y (n, M) -> features (n, C); None where the networks read y itself.
    """

    def __init__(
        self,
        shapes: Shapes,
        code_features: int,
        context: int,
        network: dict[str, Any],
        sigma: float,
        capabilities: frozenset[str],
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__(shapes.x, shapes.y, code_features + shapes.x, capabilities)
        self.code_features, self.embedding = code_features, embedding
        self.encoder = MLP(shapes.x + context, 2 * code_features, **network)
        self.decoder = MLP(code_features + context, shapes.x, **network)
        start = torch.full((shapes.x,), math.log(sigma) if sigma else math.log(0.5))
        self.log_sigma = nn.Parameter(start, requires_grad=not sigma)

    def _with_context(self, values: Tensor, y: Tensor | None) -> Tensor:
        check_context(y, self.context, values.shape[0])
        if y is None:
            return values
        return torch.cat((values, y if self.embedding is None else self.embedding(y)), dim=-1)

    def encode(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (n, D), y (n, M) -> mean and log-variance of the code's distribution, each (n, K)."""
        check_rows("x", x, self.features)
        mean, log_variance = self.encoder(self._with_context(x, y)).chunk(2, dim=-1)
        return mean, _LARGEST_LOG_VARIANCE * torch.tanh(log_variance / _LARGEST_LOG_VARIANCE)

    def decode(self, code: Tensor, y: Tensor | None) -> Tensor:
        """Code (n, K), y (n, M) -> mean of x (n, D)."""
        return self.decoder(self._with_context(code, y))

    def evidence(self, x: Tensor, y: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Terms of the evidence lower bound of log p(x | y), each (n,) in nats.

        They are log p(x | c, y) at the code c = μ + √v ⊙ ``noise``, and the KL divergence from N(0, I) of the
        code's distribution. The bound is their mean difference over standard normal ``noise`` (n, K).
        """
        mean, log_variance = self.encode(x, y)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)
        misfit = x - self.decode(mean + (0.5 * log_variance).exp() * noise, y)
        white = misfit * (-self.log_sigma).exp()
        likelihood = (-0.5 * (white.square() + math.log(2 * math.pi)) - self.log_sigma).sum(-1)
        return likelihood, divergence

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """Map z = (code, noise) (n, K + D) to samples x (n, D); return x, and None as log-determinant."""
        check_rows("latent z", z, self.latent_features)
        code, noise = z.split((self.code_features, self.features), dim=-1)
        return self.decode(code, y) + self.log_sigma.exp() * noise, None
