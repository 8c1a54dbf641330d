"""MADE: one masked network delivers the law of every component given those before it.

density   p(x | y) = Π_d p(x_d | x_{<d}, y), all factors from one pass: output d sees no input at or after d
sampling  component after component in the order, D passes; each takes a standard normal number, and with a
          mixture a second one, which picks the normal by its weight
inverse   none: a mixture does not say which of its normals a point came from
variants  training goes through the drawn orders and connectivities in turn; the density is then the mean over
          all of them, 1/S Σ_s p_s(x | y), which is a density again
Trained by maximum likelihood.
Source: Germain, Gregor, Murray & Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation,
arXiv:1502.03509; the output mask is strict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import param
import torch
from torch import Tensor

from workbench.architectures.base import ARCHITECTURES, CostCard, NetworkArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.nn.masked_network import Categories, MaskedNetwork, NormalMixture

OUTPUTS = ("gaussian", "mixture", "binary", "categorical")


class MadeModel(Model):
    """The masked network and the law of one component.

    ``law`` is a `NormalMixture`, or `Categories` for x that are whole numbers; log p is then the logarithm of
    a probability. A draw takes the numbers of all components, and one more that picks the variant where there
    are several.
    """

    def __init__(
        self,
        shapes: Shapes,
        network: MaskedNetwork,
        law: NormalMixture | Categories,
        capabilities: frozenset[str],
    ) -> None:
        extra = int(network.variants > 1)
        super().__init__(shapes.x, shapes.y, shapes.x * law.numbers + extra, capabilities)
        self.network, self.law = network, law
        self.register_buffer("turn", torch.tensor(0))

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats: of the variant whose turn it is in training, otherwise of their mean."""
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        count = self.network.variants
        if count == 1:
            return self.variant_log_prob(x, y, 0)
        if self.training:
            variant = int(self.turn) % count
            self.turn += 1
            return self.variant_log_prob(x, y, variant)
        each = torch.stack([self.variant_log_prob(x, y, variant) for variant in range(count)])
        return torch.logsumexp(each, 0) - math.log(count)

    def variant_log_prob(self, x: Tensor, y: Tensor | None, variant: int) -> Tensor:
        """log p_s(x | y) (n,) of one order and connectivity."""
        return self.law.log_prob(self.network(x, y, variant), x).sum(-1)

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        """z (n, K) -> x (n, D); no log-determinant, since picking makes jumps."""
        check_rows("latent z", z, self.latent_features)
        check_context(y, self.context, z.shape[0])
        count = self.network.variants
        if count == 1:
            return self._drawn(z, y, 0), None
        picked = (torch.special.ndtr(z[:, -1:]) * count).floor().clamp(0, count - 1)
        x = z.new_zeros(z.shape[0], self.features)
        for variant in range(count):
            x = torch.where(picked == variant, self._drawn(z, y, variant), x)
        return x, None

    def _drawn(self, z: Tensor, y: Tensor | None, variant: int) -> Tensor:
        numbers = z[:, : self.features * self.law.numbers].unflatten(-1, (self.law.numbers, self.features))
        columns = list(z.new_zeros(self.features, z.shape[0]).unbind())
        for component in self.network.sequence(variant):
            parameters = self.network(torch.stack(columns, -1), y, variant)[:, component]
            columns[component] = self.law.draw(parameters, numbers[:, :, component])
        return torch.stack(columns, -1)


@ARCHITECTURES.register
class MADE(NetworkArchitecture):
    """Masked autoencoder for distribution estimation."""

    key = "made"
    title = "MADE"
    summary = "A masked network reads off the components before each one what its distribution is."
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
        The distribution of a component given those before it: a normal, a mixture of normals, or, for x that
        holds categories, the probabilities of 0 and 1, or of 0, 1, 2, ….""",
    )
    categories = param.Integer(
        default=8,
        bounds=(2, 256),
        doc="""
        With categorical outputs, how many categories a component may have at most.""",
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
        Number of random orders of the components that training goes through and the density averages over;
        1 takes them as they come.""",
    )
    connectivities = param.Integer(
        default=1,
        bounds=(1, 16),
        doc="""
        Number of random sets of connections for each order, gone through and averaged over likewise.""",
    )

    def misfits(self, variables: Sequence[Variable]) -> list[str]:
        # continuous outputs are let pass on categories: what is chosen first must be open to a better choice
        most = {"binary": 2, "categorical": self.categories}.get(self.outputs)
        if most is None:
            return []
        found = []
        amounts = [v.name for v in variables if not v.categories]
        if amounts:
            verb = "is a quantity" if len(amounts) == 1 else "are quantities"
            found.append(
                f"MADE with {self.outputs} outputs gives probabilities to categories, and "
                f"{', '.join(amounts[:3])} {verb}; choose gaussian or mixture outputs."
            )
        many = max((v.categories for v in variables), default=0)
        if many > most:
            found.append(
                f"x has up to {many} categories and the outputs have {most}; choose categorical "
                f"outputs with {many} categories."
            )
        return found

    def assemble(self, shapes: Shapes) -> MadeModel:
        law: NormalMixture | Categories
        if self.outputs in ("binary", "categorical"):
            law = Categories(2 if self.outputs == "binary" else self.categories)
        else:
            law = NormalMixture(self.components if self.outputs == "mixture" else 1)
        network = self.network()
        masked = MaskedNetwork(
            shapes.x,
            law.outputs,
            shapes.y,
            network["hidden_features"],
            network["activation"],
            orders=self.orders,
            connectivities=self.connectivities,
        )
        return MadeModel(shapes, masked, law, self.capabilities)
