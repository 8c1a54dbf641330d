"""Flow matching: a velocity field that carries noise to data, learned without integrating it.

forward   z = x(0), dx/dt = f(x, t, y) from x(1) = x back to t = 0, in a fixed number of steps
log-det   −∫₀¹ tr ∂f/∂x dt along the path, with the exact trace; added to log N(z; 0, I) it gives log p(x | y)
inverse   the same equation from x(0) = z to t = 1; a step of the midpoint rule takes two evaluations
Trained by regression on straight paths x_t = (1 − t) z + t x, whose velocity is x − z (optimal transport
between a point and its noise); the least possible loss is the variance of x − z given x_t, y.
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
    """Flow matching: a continuous flow trained by regression; a sample takes dozens of passes."""

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
    #: due to the discretisation in time
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
        Non-linearity of the velocity field. All are smooth, since the density needs derivatives.""",
    )
    solver = param.Selector(
        default="midpoint",
        objects=["euler", "midpoint", "rk4"],
        doc="""
        Method of integration: a step of Euler's method takes one evaluation of the field, of the midpoint
        rule two, and of the fourth-order Runge-Kutta method (rk4) four.""",
    )
    steps = param.Integer(
        default=16,
        bounds=(1, 256),
        doc="""
        Number of integration steps from noise to data. More are more accurate and take longer.""",
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
