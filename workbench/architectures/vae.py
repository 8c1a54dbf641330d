"""Variational autoencoder (VAE): an encoder that gives a distribution of latent codes c, and a decoder.

encoder   q(c | x, y) = N(c; μ(x, y), diag v(x, y)),  log v within ±12
decoder   p(x | c, y) = N(x; d(c, y), diag σ²),  σ learned or given;  p(c) = N(0, I)
inverse   z = (c, ε), all standard normal: x = d(c, y) + σ ε is a sample; no single z belongs to an x
bound     log p(x | y) ≥ E_q log p(x | c, y) − KL( q ‖ N(0, I) ),  KL = −½ Σ (1 + log v − μ² − v)
Trained by the negative of this bound; with a given σ it is |x − x̂|² + 2σ² KL, up to the factor 1/(2σ²) and a
constant.
Source: Kingma & Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114; Sohn, Lee & Yan 2015,
Learning Structured Output Representation using Deep Conditional Generative Models; the losses: Mehta et al.,
A review of invertible neural networks, eqs. (17) and (18).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.vae import VaeModel


class VaeArchitecture(NetworkArchitecture):
    """Base of the variational autoencoders with and without an observation: their settings."""

    cost: ClassVar[CostCard] = CostCard(
        density="a lower bound, 1 pass",
        sampling="1 pass",
        inverse="none, a point has many codes",
        warning="Components of a wide code may stay unused; a narrow one loses detail.",
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
        component. A small fixed value gives the misfit of x the largest weight.""",
    )


@ARCHITECTURES.register
class VAE(VaeArchitecture):
    """Variational autoencoder, for problems without an observation."""

    key = "vae"
    title = "Variational autoencoder"
    summary = "An encoder gives a distribution of codes, whose information for a decoder is penalised."
    reference = "Kingma & Welling (2014), Auto-Encoding Variational Bayes, ICLR, arXiv:1312.6114"
    capabilities = frozenset({Capability.UNCONDITIONAL, Capability.EVIDENCE})

    def assemble(self, shapes: Shapes) -> VaeModel:
        from workbench.architectures.models.vae import VaeModel

        return VaeModel(shapes, self.code_features, 0, self.network(), self.sigma, self.capabilities)
