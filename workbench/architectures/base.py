"""Base classes of the architectures: settings, costs and requirements of a network, and how it is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.core.capability import Capability
from workbench.core.catalogue import Catalogue
from workbench.core.entries import public
from workbench.core.errors import IncompatibleError
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec
from workbench.core.variable import Variable
from workbench.nn.choices import ACTIVATION_MODULES, ACTIVATIONS

if TYPE_CHECKING:
    from torch import nn

    from workbench.core.model import Model

ARCHITECTURES: Catalogue[Architecture] = Catalogue("architectures", "architecture")


def activation_module(name: str) -> type[nn.Module]:
    """Return the ``torch.nn`` class of an activation, given its name, one of `ACTIVATION_MODULES`."""
    return getattr(torch.nn, ACTIVATION_MODULES[name])


@dataclass(frozen=True)
class CostCard:
    """Costs of a density, a sample and an inverse of an architecture, in passes through its networks.

    Each is a short text for tables; ``warning`` is a sentence on the main pitfall, or empty.
    """

    density: str
    sampling: str
    inverse: str
    warning: str = ""


class Architecture(Spec):
    """Settings of a network, from which `build` makes a model: base of every architecture.

    A subclass declares its capabilities, its costs and the export formats that do not work, and implements
    `assemble`.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[CostCard]
    #: export format -> "" where it works, or the reason why it does not; tests/architectures checks it
    formats: ClassVar[dict[str, str]] = {"graph": "", "onnx": ""}
    #: largest error of x -> z -> x, in standardised units, and of log-determinants, in nats: in double
    #: precision, for x within about five standard deviations; infinite where the inverse is learned
    inverse_tolerance: ClassVar[float] = 1e-9
    #: the network keeps the bounds of x itself: columns with bounds are then not mapped to the real line
    keeps_bounds = False
    #: least number of components that x must have in problems without an observation
    least_features: ClassVar[int] = 1

    def unused(self, shapes: Shapes) -> frozenset[str]:
        """Names of the settings without effect, given the shapes and the other settings; forms hide them."""
        return frozenset()

    def refusals(self, shapes: Shapes) -> list[str]:
        """Reasons why this architecture cannot be built for data of these shapes; empty if it can.

        One sentence each, with a suggestion.
        """
        reasons = []
        if shapes.x < 1:
            reasons.append(
                f"{self.title} needs at least one component of x and the problem has none; "
                "choose a problem with data."
            )
        if shapes.y == 0 and Capability.UNCONDITIONAL not in self.capabilities:
            reasons.append(
                f"{self.title} needs an observation y and this problem has no y; choose an inverse "
                "problem, or another architecture, for instance RealNVP."
            )
        if shapes.y and Capability.CONDITIONAL not in self.capabilities:
            reasons.append(
                f"{self.title} cannot be conditioned on an observation y and this problem has one; "
                "choose a problem without, or another architecture, for instance RealNVP."
            )
        if shapes.y == 0 and 1 <= shapes.x < self.least_features:
            reasons.append(self._cannot_split())
        return reasons

    def _cannot_split(self) -> str:
        return (
            f"{self.title} splits x in two and x has only one component; choose a problem with "
            "two components, or another architecture, for instance the neural spline flow."
        )

    def misfits(self, variables: Sequence[Variable]) -> list[str]:
        """Reasons why the architecture does not suit ``variables``, the components of x; empty if it does.

        One sentence each, with a suggestion; by default, categories are refused, since draws of a network
        that learns continuous numbers lie between them.
        """
        names = [v.name for v in variables if v.categories]
        if not names:
            return []
        verb = "is a category" if len(names) == 1 else "are categories"
        return [
            f"{self.title} learns continuous numbers, and {', '.join(names[:3])} {verb}; choose MADE, which "
            "gives probabilities to categories and densities to quantities."
        ]

    @public
    def build(self, shapes: Shapes) -> Model:
        """Build a model with random initial weights, which come from torch's global generator.

        No model draws from that generator later. Raises `IncompatibleError` if there are `refusals`, with the
        first of them.
        """
        reasons = self.refusals(shapes)
        if reasons:
            raise IncompatibleError(reasons[0], found=f"{shapes.x} components of x, {shapes.y} of y")
        return self.assemble(shapes)

    @abstractmethod
    def assemble(self, shapes: Shapes) -> Model:
        """Build the model; `build` calls this where there are no `refusals`."""


class _Layers(Architecture):
    """Setting ``transforms``, the number of layers; a mixin, so that it precedes other settings in a form."""

    transforms = param.Integer(
        default=6,
        bounds=(2, 64),
        doc="""
        Number of invertible layers in a row. More layers are more flexible and take proportionally
        longer.""",
    )


class NetworkArchitecture(Architecture):
    """Base of architectures that contain fully connected networks: their width, depth and activation."""

    width = param.Integer(
        default=64,
        bounds=(4, 1024),
        doc="""
        Units in each hidden layer of the networks inside.""",
    )
    depth = param.Integer(
        default=2,
        bounds=(1, 8),
        doc="""
        Hidden layers in each of the networks inside.""",
    )
    activation = param.Selector(
        default="relu",
        objects=list(ACTIVATIONS),
        doc="""
        Non-linearity of the networks inside. Smooth ones give smooth densities.""",
    )

    def network(self) -> dict[str, Any]:
        """Hidden sizes and activation, as keyword arguments of zuko's networks."""
        return {
            "hidden_features": [self.width] * self.depth,
            "activation": activation_module(self.activation),
        }


class LayeredArchitecture(NetworkArchitecture, _Layers):
    """Base of architectures that stack several layers of one kind, each with a network inside."""
