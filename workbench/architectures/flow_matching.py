"""Flow matching: a velocity field that carries noise to data, learned without ever following it.

forward   z = x(0), dx/dt = f(x, t, y) back from x(1) = x, in steps of a fixed number
log-det   −∫₀¹ tr ∂f/∂x dt along the way to the data, exact trace; log p(x | y) = log N(z; 0, I) + that
inverse   the same equation from x(0) = z on to t = 1; a step of the midpoint rule takes two evaluations
Trained by regression on straight paths x_t = (1 − t) z + t x, whose velocity is x − z (optimal transport
between a point and its noise); what remains of the misfit is the variance of x − z at a given x_t, y.
Source: Lipman, Chen, Ben-Hamu, Nickel & Le 2023, Flow Matching for Generative Modeling, arXiv:2210.02747;
Wildberger et al. 2023, Flow Matching for Scalable Simulation-Based Inference, arXiv:2305.17161.
"""

from __future__ import annotations

from typing import ClassVar

import param
import torch
from torch import Tensor, nn
from torchdiffeq import odeint

from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.architectures.flow_model import check_context, check_rows
from workbench.core.capability import Capability
from workbench.core.model import Model, standard_normal_log_density
from workbench.core.shapes import Shapes
from workbench.nn.smooth_network import SMOOTH
from workbench.nn.velocity_field import VelocityField

_NO_GRAPH = (
    "Its solver checks the times of its steps while it goes, which a traced graph cannot hold; "
    "export the weights."
)


class FlowMatchingModel(Model):
    """The field and its solver.

    Both directions go the same number of steps, so that a round trip misses by what the steps miss. Draws
    carry no log-determinant, since it costs D times as much; `log_prob` integrates it.

    Parameters
    ----------
    field : the velocities; time 0 is noise and time 1 data.
    solver, steps : torchdiffeq's method, and the number of its steps.
    """

    def __init__(
        self,
        shapes: Shapes,
        field: VelocityField,
        solver: str,
        steps: int,
        capabilities: frozenset[str],
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__(shapes.x, shapes.y, shapes.x, capabilities)
        self.field, self.solver, self.steps, self.embedding = field, solver, steps, embedding

    def velocity(self, t: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        """f(x, t, y) (n, D) at times t (n,)."""
        return self.field.value(t, x, self._read(y, x.shape[0]))

    def latent(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        check_rows("x", x, self.features)
        return self._path(x, y, 1.0, 0.0)[-1], None

    def inverse(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, None]:
        check_rows("latent z", z, self.latent_features)
        return self._path(z, y, 0.0, 1.0)[-1], None

    def draw(self, z: Tensor, y: Tensor | None) -> Tensor:
        """x (n, D); an observation that all share is read once."""
        check_rows("latent z", z, self.latent_features)
        return self._path(z, y, 0.0, 1.0, shared=y is not None and len(y) == 1)[-1]

    def stages(self, z: Tensor, y: Tensor | None) -> list[Tensor]:
        """z, where it is after each step, and x."""
        check_rows("latent z", z, self.latent_features)
        return list(self._path(z, y, 0.0, 1.0))

    def log_prob(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x | y) (n,) in nats, to the accuracy of the steps."""
        check_rows("x", x, self.features)
        read = self._read(y, x.shape[0])
        z, log_det = odeint(
            lambda t, state: self.field.velocity(t, state[0], read),
            (x, x.new_zeros(x.shape[0])),
            self._times(x, 1.0, 0.0),
            method=self.solver,
        )
        return standard_normal_log_density(z[-1]) + log_det[-1]

    def _path(
        self, start: Tensor, y: Tensor | None, begin: float, end: float, *, shared: bool = False
    ) -> Tensor:
        """The points at every step, (steps + 1, n, D)."""
        read = self._read(y, 1 if shared else start.shape[0])
        return odeint(
            lambda t, x: self.field.value(t, x, read),
            start,
            self._times(start, begin, end),
            method=self.solver,
        )

    def _times(self, like: Tensor, begin: float, end: float) -> Tensor:
        return torch.linspace(begin, end, self.steps + 1, dtype=like.dtype, device=like.device)

    def _read(self, y: Tensor | None, rows: int) -> Tensor | None:
        check_context(y, self.context, rows)
        return y if y is None or self.embedding is None else self.embedding(y)


@ARCHITECTURES.register
class FlowMatching(EmbeddedArchitecture):
    """Continuous flow trained by regression; sampling takes dozens of passes."""

    key = "flow_matching"
    title = "Flow matching"
    summary = "A velocity field learned by regression carries noise to the data along nearly straight ways."
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
    #: its round trip misses by what its steps miss
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
        objects=list(SMOOTH),
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
        Number of waves by which the velocity field is told the time.""",
    )

    def network(self):
        """What an embedding is made of: as the field, with modules for its activations."""
        smooth = {"silu": nn.SiLU, "elu": nn.ELU, "tanh": nn.Tanh, "softplus": nn.Softplus}
        return {"hidden_features": [self.width] * self.depth, "activation": smooth[self.activation]}

    def assemble(self, shapes: Shapes) -> FlowMatchingModel:
        embedding, context = self.embedding_for(shapes)
        field = VelocityField(
            shapes.x,
            context,
            [self.width] * self.depth,
            SMOOTH[self.activation],
            frequencies=self.frequencies,
        )
        return FlowMatchingModel(shapes, field, self.solver, self.steps, self.capabilities, embedding)
