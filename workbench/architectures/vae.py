"""Variational autoencoder (VAE): an encoder that answers with a distribution of codes, and a decoder.

encoder   q(c | x, y) = N(c; μ(x, y), diag v(x, y)),  log v within ±12
decoder   p(x | c, y) = N(x; d(c, y), diag σ²),  σ learned or given;  p(c) = N(0, I)
inverse   z = (c, ε), all standard normal: x = d(c, y) + σ ε is a draw; an x has no single code, and no z
bound     log p(x | y) ≥ E_q log p(x | c, y) − KL( q ‖ N(0, I) ),  KL = −½ Σ (1 + log v − μ² − v)
Trained by loss (17), for a conditional one loss (18), in which v is the variance: with a given σ it is
|x − x̂|² + 2σ² KL, up to the factor 1/(2σ²) and a constant.
Source: Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114; Sohn, Lee & Yan 2015,
Learning Structured Output Representation using Deep Conditional Generative Models.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import param
import torch
from torch import Tensor, nn
from zuko.nn import MLP

from workbench.architectures.base import ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes

#: largest |log v| of the encoder
_REACH = 12.0


class VaeModel(Model):
    """Both networks and σ. A draw takes K + D numbers: the code and the decoder's noise.

    Parameters
    ----------
    code_features : K.
    sigma : σ in standardised units, one for all components; 0 learns one for each.
    embedding : y (n, M) -> what both networks read (n, C); None where they read y itself.
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

    def _with(self, values: Tensor, y: Tensor | None) -> Tensor:
        check_context(y, self.context, values.shape[0])
        if y is None:
            return values
        return torch.cat((values, y if self.embedding is None else self.embedding(y)), dim=-1)

    def encode(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (n, D) -> mean and log-variance of its codes, each (n, K)."""
        check_rows("x", x, self.features)
        mean, log_variance = self.encoder(self._with(x, y)).chunk(2, dim=-1)
        return mean, _REACH * torch.tanh(log_variance / _REACH)

    def decode(self, code: Tensor, y: Tensor | None) -> Tensor:
        """Codes (n, K) -> the mean of x (n, D)."""
        return self.decoder(self._with(code, y))

    def evidence(self, x: Tensor, y: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x | c, y) (n,) at the code c = μ + √v ⊙ noise, and the KL divergence (n,), in nats.

        Their difference is, on average over standard normal ``noise`` (n, K), a lower bound of log p(x | y).
        """
        mean, log_variance = self.encode(x, y)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1)
        off = x - self.decode(mean + (0.5 * log_variance).exp() * noise, y)
        white = off * (-self.log_sigma).exp()
        likelihood = (-0.5 * (white.square() + math.log(2 * math.pi)) - self.log_sigma).sum(-1)
        return likelihood, divergence

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """z (n, K + D) -> x (n, D): the code decoded, and the decoder's noise."""
        check_rows("latent z", z, self.latent_features)
        code, noise = z.split((self.code_features, self.features), dim=-1)
        return self.decode(code, y) + self.log_sigma.exp() * noise, None


class VaeArchitecture(NetworkArchitecture):
    """What both variational autoencoders may turn."""

    cost: ClassVar[CostCard] = CostCard(
        density="a lower bound, 1 pass",
        sampling="1 pass",
        inverse="none, a point has many codes",
        warning="Too wide a code is left unused, too narrow a one blurs what it has no room for.",
    )

    width = param.Integer(default=128)
    depth = param.Integer(default=3)
    activation = param.Selector(default="silu")
    code_features = param.Integer(
        default=4,
        bounds=(1, 64),
        doc="""
        Number K of components of the code.""",
    )
    sigma = param.Number(
        default=0.0,
        bounds=(0.0, 1.0),
        doc="""
        Standard deviation of the decoder's noise, in standard deviations of x; 0 learns one for each
        component. A small fixed one weighs the misfit of x above all else.""",
    )


@ARCHITECTURES.register
class VAE(VaeArchitecture):
    """For problems without an observation."""

    key = "vae"
    title = "Variational autoencoder"
    summary = "An encoder answers with a distribution of codes, and what it tells a decoder is rationed."
    reference = "Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR, arXiv:1312.6114"
    capabilities = frozenset({Capability.UNCONDITIONAL, Capability.EVIDENCE})

    def assemble(self, shapes: Shapes) -> VaeModel:
        return VaeModel(shapes, self.code_features, 0, self.network(), self.sigma, self.capabilities)
