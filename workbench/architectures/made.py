"""MADE: a masked network gives the distribution of each component of x, given the components before it.

density   p(x | y) = Π_d p(x_d | x_{<d}, y), all factors in one pass: output d depends on the inputs before d
sampling  component after component, D passes; each takes a standard normal number, and with a mixture a
          second one, which selects one of its normals with probability equal to its weight
inverse   none: it is unknown which component of a mixture a point came from
kinds     a component that is a quantity has a normal or a mixture of normals, one that is a category has
          probabilities and enters the network as one indicator for each category
variants  S sets of masks with different random orders and connectivities: training uses one at a time, in
          turn; the density is the mean over all of them, 1/S Σ_s p_s(x | y)
Trained by maximum likelihood.
Source: Germain, Gregor, Murray & Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation,
arXiv:1502.03509.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable

if TYPE_CHECKING:
    from workbench.architectures.models.made import MadeModel

OUTPUTS = ("gaussian", "mixture", "binary", "categorical")


@ARCHITECTURES.register
class MADE(NetworkArchitecture):
    """Masked autoencoder for distribution estimation (MADE): an autoregressive density."""

    key = "made"
    title = "MADE"
    summary = "A masked network computes the distribution of each component from those before it."
    reference = (
        "Germain, Gregor, Murray & Larochelle (2015), MADE: Masked Autoencoder for Distribution "
        "Estimation, ICML, arXiv:1502.03509"
    )
    capabilities = frozenset({Capability.DENSITY, Capability.CONDITIONAL, Capability.UNCONDITIONAL})
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass, with several orders one each",
        sampling="D passes, with several orders D each",
        inverse="none, there is no latent",
    )

    width = param.Integer(default=128)
    outputs = param.Selector(
        default="mixture",
        objects=list(OUTPUTS),
        doc="""
        The distribution of a component given those before it: a normal or a mixture of normals for
        quantities, beside which categories have probabilities; or, if all of x are categories, the
        probabilities of two (binary) or of any number of them (categorical).""",
    )
    categories = param.Integer(
        default=8,
        bounds=(2, 256),
        doc="""
        With categorical outputs, the number of categories of a component whose column does not say how many
        it has.""",
    )
    components = param.Integer(
        default=8,
        bounds=(2, 64),
        doc="""
        Number of normals in the mixture of each component.""",
    )
    orders = param.Integer(
        default=1,
        bounds=(1, 16),
        doc="""
        Number of random orders of the components, which training takes in turn and the density averages
        over; 1 for the natural order.""",
    )
    connectivities = param.Integer(
        default=1,
        bounds=(1, 16),
        doc="""
        Number of random sets of connections per order; training and density use them as they use orders.""",
    )

    def misfits(self, variables: Sequence[Variable]) -> list[str]:
        if self.outputs not in ("binary", "categorical"):
            return []
        most = 2 if self.outputs == "binary" else math.inf
        reasons = []
        amounts = [v.name for v in variables if not v.categories]
        if amounts:
            verb = "is a quantity" if len(amounts) == 1 else "are quantities"
            reasons.append(
                f"MADE with {self.outputs} outputs gives probabilities to categories alone, and "
                f"{', '.join(amounts[:3])} {verb}; choose gaussian or mixture outputs, beside which "
                "categories keep their probabilities."
            )
        many = max((v.categories for v in variables), default=0)
        if many > most:
            reasons.append(
                f"x has up to {many} categories and the outputs have {most}; choose categorical outputs, "
                "which take their number from each column."
            )
        return reasons

    def assemble(self, shapes: Shapes) -> MadeModel:
        from workbench.architectures.models.made import MadeModel
        from workbench.nn.masked_network import Categories, MaskedNetwork, NormalMixture

        distribution: NormalMixture | Categories
        if self.outputs in ("binary", "categorical"):
            distribution = Categories(2 if self.outputs == "binary" else self.categories)
        else:
            distribution = NormalMixture(self.components if self.outputs == "mixture" else 1)
        families = [Categories(count) if count else distribution for count in shapes.categories]
        network = self.network()
        masked_network = MaskedNetwork(
            shapes.x,
            max(family.outputs for family in families or [distribution]),
            shapes.y,
            network["hidden_features"],
            network["activation"],
            orders=self.orders,
            connectivities=self.connectivities,
            categories=shapes.categories,
        )
        return MadeModel(shapes, masked_network, families or distribution, self.capabilities)
