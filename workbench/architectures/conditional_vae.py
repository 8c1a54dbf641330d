"""Conditional variational autoencoder (cVAE): encoder and decoder also read the observation y.

encoder   q(c | x, y) = N(c; μ(x, y), diag v(x, y))
decoder   p(x | c, y) = N(x; d(c, y), diag σ²);  the prior p(c) = N(0, I) does not depend on y
inverse   z = (c, ε): x = d(c, y) + σ ε is a sample of x given y; no single z belongs to an x
Trained by |x − d(c, y)|² − (α/2) Σ (1 + log v − μ² − v),  v the variance,  α = 2σ².
Source: Sohn, Lee & Yan 2015, Learning Structured Output Representation using Deep Conditional Generative
Models, NeurIPS; Kruse, Ardizzone, Rother & Köthe 2021, arXiv:2101.10763; the loss: Mehta et al., A review of
invertible neural networks, eq. (18).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.architectures.base import ARCHITECTURES
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.architectures.vae import VaeArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.vae import VaeModel


@ARCHITECTURES.register
class ConditionalVAE(EmbeddedArchitecture, VaeArchitecture):
    """Conditional variational autoencoder, for inverse problems: encoder and decoder read y."""

    key = "conditional_vae"
    title = "Conditional variational autoencoder"
    summary = "A variational autoencoder of x whose encoder and decoder both read y."
    reference = (
        "Sohn, Lee & Yan (2015), Learning Structured Output Representation using Deep Conditional "
        "Generative Models, NeurIPS; Kruse et al. (2021), arXiv:2101.10763"
    )
    capabilities = frozenset({Capability.CONDITIONAL, Capability.EVIDENCE})

    def assemble(self, shapes: Shapes) -> VaeModel:
        from workbench.architectures.models.vae import VaeModel

        embedding, context = self.embedding_for(shapes)
        return VaeModel(
            shapes, self.code_features, context, self.network(), self.sigma, self.capabilities, embedding
        )
