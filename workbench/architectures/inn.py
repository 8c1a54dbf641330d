"""INN: one bijection from x to its observation y together with a latent z of what y leaves open.

forward   T([x, pad_x]) = [y, z, pad_z];  two-sided affine couplings, fixed permutations between them
log-det   Σ over the blocks of Σ s₁ + Σ s₂; that of a permutation is 0
inverse   T⁻¹([y, z, pad_z]) = [x, pad_x];  T⁻¹([y, z, 0]) with z ~ N(0, I) is a sample of x given y
Layout    K = D − M where D > M, otherwise D; plus extra_latent.  W = max(D, M + K) + padding.
          input: x in columns 0 … D−1, padding after it;
          output: y in columns 0 … M−1, z in columns M … M+K−1, padding after it.
Latent    normal, or ½ N(−m, ¼) + ½ N(m, ¼) in its first component, which a last, fixed layer then maps to
          N(0, 1) (see mixture_latent), so that z is standard normal in both cases
Source: Ardizzone et al. 2019, Analyzing Inverse Problems with Invertible Neural Networks, arXiv:1808.04730;
the mixture: Hagemann & Neumayer 2021, arXiv:2009.02994.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from torch import nn

    from workbench.architectures.models.inn import InnModel

#: standard deviation of each of the two modes of the latent mixture
MODE_WIDTH = 0.5
EXTRA_LATENT_DOC = "Latent components beyond the number that x has over y."
PADDING_DOC = (
    "Additional padding columns at input and output. They widen the network, which must learn to ignore them."
)


@ARCHITECTURES.register
class INN(LayeredArchitecture):
    """Invertible neural network (INN) of Ardizzone et al.: a bijection between x and [y, z]."""

    key = "inn"
    title = "Invertible neural network"
    summary = (
        "One bijection predicts y from x and keeps in a latent z what y leaves open; run backwards it "
        "samples x."
    )
    reference = (
        "Ardizzone et al. (2019), Analyzing Inverse Problems with Invertible Neural Networks, ICLR, "
        "arXiv:1808.04730"
    )
    capabilities = frozenset(
        {
            Capability.LATENT,
            Capability.BIJECTION,
            Capability.EXACT_INVERSE,
            Capability.CONDITIONAL,
            Capability.FORWARD,
            Capability.REPARAMETERISED,
            Capability.JOINT_LIKELIHOOD,
        }
    )
    cost: ClassVar[CostCard] = CostCard(density="none of x", sampling="1 pass", inverse="exact, 1 pass")

    clamp = param.Number(
        default=2.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one coupling: it stretches by exp(clamp) at most.""",
    )
    extra_latent = param.Integer(default=0, bounds=(0, 64), doc=EXTRA_LATENT_DOC)
    padding = param.Integer(default=0, bounds=(0, 64), doc=PADDING_DOC)

    latent_law = param.Selector(
        default="normal",
        objects=["normal", "mixture"],
        doc="""
        The distribution to which the couplings map: standard normal, or with two modes in its first
        component, which avoids steep slopes where posteriors have modes far apart.""",
    )
    latent_distance = param.Number(
        default=2.0,
        bounds=(0.5, 3.0),
        doc="""
        Distance of the two modes of the latent from zero; each is half as wide as a standard normal.""",
    )

    def assemble(self, shapes: Shapes) -> InnModel:
        from zuko.lazy import UnconditionalTransform

        from workbench.architectures.models.inn import InnModel, inn_layout
        from workbench.bijections.mixture_latent import MixtureLatent
        from workbench.bijections.reordering import Reordering
        from workbench.bijections.two_sided_coupling import TwoSidedCoupling

        latent_features, width = inn_layout(shapes, self.extra_latent, self.padding)
        blocks: list[nn.Module] = []
        for number in range(self.transforms):
            if number > 0:
                order = torch.randperm(width)
                blocks.append(UnconditionalTransform(Reordering, order, buffer=True))
            blocks.append(TwoSidedCoupling(width, clamp=self.clamp, network=self.network()))
        if self.latent_law == "mixture":
            blocks.append(MixtureLatent(shapes.y, self.latent_distance, MODE_WIDTH))
        return InnModel(shapes, blocks, latent_features, width, self.capabilities)
