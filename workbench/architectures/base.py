"""Architecture: what may be chosen of an invertible network; with the shapes of the data it is a Model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import param
from torch import nn

from workbench.core.capability import Capability
from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.core.spec import Spec
from workbench.core.variable import Variable

ARCHITECTURES = Catalogue("architectures", "architecture")

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
}


@dataclass(frozen=True)
class CostCard:
    """What an architecture costs, in passes through its networks, as words for a card.

    ``warning`` is a sentence on what to mind, empty where there is nothing.
    """

    density: str
    sampling: str
    inverse: str
    warning: str = ""


class Architecture(Spec):
    """Base of every architecture.

    A member gives its capabilities, its costs, why a format cannot be exported, and `assemble`.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[CostCard]
    #: export format -> "" where it works, or the reason why it does not; tests/architectures measures it
    formats: ClassVar[dict[str, str]] = {"graph": "", "onnx": ""}
    #: how closely both directions and their log-dets agree in double precision and within about five standard
    #: deviations, in standardised units and nats; larger than rounding where an ODE is solved, for instance,
    #: and infinite where the way back is learned
    inverse_tolerance: ClassVar[float] = 1e-9
    #: the least number of components of x where there is no observation
    least_features: ClassVar[int] = 1

    def unused(self, shapes: Shapes) -> frozenset[str]:
        """Settings that mean nothing for these shapes, or as the others stand: a form leaves them out."""
        return frozenset()

    def refusals(self, shapes: Shapes) -> list[str]:
        """Why this architecture cannot be built for these shapes: sentences that say what to change."""
        found = []
        if shapes.x < 1:
            found.append(
                f"{self.title} needs at least one component of x and the problem has none; "
                "choose a problem with data."
            )
        if shapes.y == 0 and Capability.UNCONDITIONAL not in self.capabilities:
            found.append(
                f"{self.title} needs an observation y and this problem has no y; choose an inverse "
                "problem, or another architecture, for instance RealNVP."
            )
        if shapes.y and Capability.CONDITIONAL not in self.capabilities:
            found.append(
                f"{self.title} cannot be conditioned on an observation y and this problem has one; "
                "choose a problem without, or another architecture, for instance RealNVP."
            )
        if shapes.y == 0 and 1 <= shapes.x < self.least_features:
            found.append(
                f"{self.title} splits x in two and x has only one component; choose a problem with "
                "two components, or another architecture, for instance the neural spline flow."
            )
        return found

    def misfits(self, variables: Sequence[Variable]) -> list[str]:
        """Why it does not suit these components of x, whatever their number, as `refusals`."""
        named = [v.name for v in variables if v.categories]
        if not named or Capability.DENSITY not in self.capabilities:
            return []
        return [
            f"{self.title} learns a density, and categories ({', '.join(named[:3])}) have none; choose "
            "MADE, with binary or categorical outputs."
        ]

    def build(self, shapes: Shapes) -> Model:
        """A freshly initialised model. Uses the global random generator of torch, here and never again.

        Raises `IncompatibleError` with the first refusal.
        """
        refused = self.refusals(shapes)
        if refused:
            raise IncompatibleError(refused[0], found=f"{shapes.x} components of x, {shapes.y} of y")
        return self.assemble(shapes)

    @abstractmethod
    def assemble(self, shapes: Shapes) -> Model:
        """The model for shapes that are not refused."""


class _Layers(Architecture):
    """Kept apart so that the number of layers comes first in a form."""

    transforms = param.Integer(
        default=6,
        bounds=(2, 64),
        doc="""
        Number of invertible layers in a row. More layers bend space further and take proportionally
        longer.""",
    )


class NetworkArchitecture(Architecture):
    """Architectures with small fully connected networks inside."""

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
        """Hidden sizes and activation, as zuko's networks take them."""
        return {"hidden_features": [self.width] * self.depth, "activation": ACTIVATIONS[self.activation]}


class LayeredArchitecture(NetworkArchitecture, _Layers):
    """Architectures that stack equal layers, each with a network inside."""
