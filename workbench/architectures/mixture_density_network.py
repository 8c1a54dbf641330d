"""Mixture density network: a network that reads y and gives a Gaussian mixture for x.

density   p(x | y) = Σ_k w_k(y) N(x; μ_k(y), L_k(y) L_k(y)ᵀ),  L_k lower triangular with a positive diagonal
sampling  z = (z₀, ε), all standard normal: z₀ selects the first k with w₁ + … + w_k > Φ(z₀);
          x = μ_k + L_k ε
inverse   none: it is unknown which component of the mixture a point came from
Trained by maximum likelihood. Without y the mixture itself is learned.
Source: Bishop 1994, Mixture Density Networks, NCRG/94/004; Kruse 2020, Technical report: Training Mixture
Density Networks with full covariance matrices, arXiv:2003.05739.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.mixture_density_network import MixtureDensityModel


@ARCHITECTURES.register
class MixtureDensityNetwork(EmbeddedArchitecture):
    """Mixture density network (MDN) with full covariances."""

    key = "mixture_density_network"
    title = "Mixture density network"
    summary = "A network reads y and gives a mixture of Gaussians with full covariances."
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
        from zuko.mixtures import GMM

        from workbench.architectures.models.mixture_density_network import MixtureDensityModel

        embedding, context = self.embedding_for(shapes)
        mixture = GMM(shapes.x, context, self.components, covariance_type="full", **self.network())
        with torch.no_grad():  # components that start in one place separate slowly
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
