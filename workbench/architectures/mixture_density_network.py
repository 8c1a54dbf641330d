"""Mixture density network: a network that reads y and answers with a Gaussian mixture for x.

density   p(x | y) = Σ_k w_k(y) N(x; μ_k(y), L_k(y) L_k(y)ᵀ),  L_k lower triangular with a positive diagonal
sampling  z = (z₀, ε), all standard normal: z₀ picks k, the first with w₁ + … + w_k > Φ(z₀);
          x = μ_k + L_k ε
inverse   none: which component a point came from is not known, and there is no latent code
Trained by maximum likelihood. Without y the mixture itself is learned.
Source: Bishop 1994, Mixture Density Networks, NCRG/94/004; Kruse 2020, Technical report: Training Mixture
Density Networks with full covariance matrices, arXiv:2003.05739.
"""

from __future__ import annotations

import math
from typing import ClassVar

import param
import torch
from torch import Tensor, nn
from zuko.mixtures import GMM

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.bijections.lu_linear import substitute
from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes


class MixtureDensityModel(Model):
    """The mixture. A draw takes D + 1 standard normal numbers, the first of which picks the component.

    Parameters
    ----------
    mixture : zuko's Gaussian mixture with full covariances.
    embedding : y (n, M) -> what the mixture's network reads (n, C); None where it reads y itself.
    """

    def __init__(
        self, shapes: Shapes, mixture: GMM, capabilities: frozenset[str], embedding: nn.Module | None = None
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x + 1, capabilities)
        self.mixture, self.embedding = mixture, embedding

    def components(self, y: Tensor | None, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """log w (n, K), μ (n, K, D) and L (n, K, D, D)."""
        check_context(y, self.context, rows)
        read = y if y is None or self.embedding is None else self.embedding(y)
        made = self.mixture(read)
        log_weights, normal = torch.log_softmax(made.logits, -1), made.base
        shape = (rows, self.mixture.components, self.features)
        return (
            log_weights.expand(shape[:2]),
            normal.loc.expand(shape),
            normal.scale_tril.expand(*shape, self.features),
        )

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats."""
        check_rows("x", x, self.features)
        log_weights, mean, factor = self.components(y, x.shape[0])
        white = substitute(factor, x[:, None, :] - mean, upper=False)
        normal = -0.5 * (white.square().sum(-1) + self.features * math.log(2 * math.pi))
        return torch.logsumexp(log_weights + normal - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1), -1)

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """z (n, D + 1) -> x (n, D). It has jumps where the component changes, hence no log-determinant."""
        check_rows("latent z", z, self.latent_features)
        log_weights, mean, factor = self.components(y, z.shape[0])
        below = log_weights.exp().cumsum(-1)[:, :-1] <= torch.special.ndtr(z[:, :1])
        picked = nn.functional.one_hot(below.sum(-1), self.mixture.components).to(z.dtype)
        place = torch.einsum("nk,nkd->nd", picked, mean)
        return place + torch.einsum("nk,nkde,ne->nd", picked, factor, z[:, 1:]), None


@ARCHITECTURES.register
class MixtureDensityNetwork(EmbeddedArchitecture):
    """Mixture density network (MDN) with full covariances."""

    key = "mixture_density_network"
    title = "Mixture density network"
    summary = "A network reads y and answers with a mixture of Gaussians, each with a covariance of its own."
    reference = (
        "Bishop (1994), Mixture Density Networks, NCRG/94/004; Kruse (2020), Training Mixture "
        "Density Networks with full covariance matrices, arXiv:2003.05739"
    )
    capabilities = frozenset({Capability.DENSITY, Capability.CONDITIONAL, Capability.UNCONDITIONAL})
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="1 pass",
        inverse="none, there is no latent",
        warning="Modes that are thin or bent take many components.",
    )
    formats: ClassVar[dict[str, str]] = {"graph": "", "onnx": ""}

    components = param.Integer(
        default=8,
        bounds=(1, 64),
        doc="""
        Number K of Gaussians in the mixture.""",
    )

    def assemble(self, shapes: Shapes) -> MixtureDensityModel:
        embedding, context = self.embedding_for(shapes)
        mixture = GMM(shapes.x, context, self.components, covariance_type="full", **self.network())
        with torch.no_grad():  # Gaussians that start in one place take long to part
            start = torch.randn(self.components, shapes.x)
            if context:
                first = math.prod(mixture.shapes[0])
                mixture.hyper[-1].bias[first : first + start.numel()] += start.flatten()
            else:
                for parameter in mixture.phi:
                    parameter.zero_()
                    parameter.requires_grad_(parameter.numel() > 0)  # a single component has no covariances
                mixture.phi[1].copy_(start)
        return MixtureDensityModel(shapes, mixture, self.capabilities, embedding)
