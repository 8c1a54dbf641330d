"""Flow matching: a velocity field that carries noise to data, learned without integrating it.

forward   z = x(0), dx/dt = f(x, t, y) back from x(1) = x, in a fixed number of steps
log-det   −∫₀¹ tr ∂f/∂x dt along the way to the data, exact trace; log p(x | y) = log N(z; 0, I) + that
inverse   the same equation from x(0) = z on to t = 1; a step of the midpoint rule takes two evaluations
Trained by regression on straight paths x_t = (1 − t) z + t x, whose velocity is x − z (optimal transport
between a point and its noise); what remains of the misfit is the variance of x − z at a given x_t, y.
Source: Lipman, Chen, Ben-Hamu, Nickel & Le 2023, Flow Matching for Generative Modeling, arXiv:2210.02747;
Wildberger et al. 2023, Flow Matching for Scalable Simulation-Based Inference, arXiv:2305.17161.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes
from workbench.nn.choices import SMOOTH_ACTIVATIONS

if TYPE_CHECKING:
    from workbench.architectures.models.flow_matching import FlowMatchingModel

_NO_GRAPH = (
    "Its solver checks the times of its steps while it goes, which a traced graph cannot hold; "
    "export the weights."
)


@ARCHITECTURES.register
class FlowMatching(EmbeddedArchitecture):
    """Continuous flow trained by regression; sampling takes dozens of passes."""

    key = "flow_matching"
    title = "Flow matching"
    summary = "A velocity field learned by regression carries noise to the data along nearly straight paths."
    reference = (
        "Lipman, Chen, Ben-Hamu, Nickel & Le (2023), Flow Matching for Generative Modeling, ICLR, "
        "arXiv:2210.02747; Wildberger et al. (2023), arXiv:2305.17161"
    )
    capabilities = frozenset(
        {
            Capability.DENSITY,
            Capability.LATENT,
            Capability.REPARAMETERISED,
            Capability.CONDITIONAL,
            Capability.UNCONDITIONAL,
            Capability.VELOCITY,
        }
    )
    #: error of the discretisation
    inverse_tolerance = 3e-3
    cost: ClassVar[CostCard] = CostCard(
        density="an ODE, twice as many passes as steps",
        sampling="an ODE, twice as many passes as steps",
        inverse="numerical, an ODE",
        warning="Density and round trip are as close as the steps are fine.",
    )
    formats: ClassVar[dict[str, str]] = {"graph": _NO_GRAPH, "onnx": _NO_GRAPH}

    width = param.Integer(default=128)
    depth = param.Integer(default=3)
    activation = param.Selector(
        default="silu",
        objects=list(SMOOTH_ACTIVATIONS),
        doc="""
        Non-linearity of the velocity field. All of them are smooth: its divergence is a derivative.""",
    )
    solver = param.Selector(
        default="midpoint",
        objects=["euler", "midpoint", "rk4"],
        doc="""
        How a step is made: Euler takes one evaluation, the midpoint rule two, and that of Runge and Kutta
        four.""",
    )
    steps = param.Integer(
        default=16,
        bounds=(1, 256),
        doc="""
        Number of steps from noise to data. More are closer to the field's own flow and take longer.""",
    )
    frequencies = param.Integer(
        default=3,
        bounds=(1, 16),
        doc="""
        Number of Fourier features of time that the velocity field reads.""",
    )

    def assemble(self, shapes: Shapes) -> FlowMatchingModel:
        from workbench.architectures.models.flow_matching import FlowMatchingModel
        from workbench.nn.smooth_network import SMOOTH
        from workbench.nn.velocity_field import VelocityField

        embedding, context = self.embedding_for(shapes)
        field = VelocityField(
            shapes.x,
            context,
            [self.width] * self.depth,
            SMOOTH[self.activation],
            frequencies=self.frequencies,
        )
        return FlowMatchingModel(shapes, field, self.solver, self.steps, self.capabilities, embedding)
