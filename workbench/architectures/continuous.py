"""Continuous normalizing flow (CNF, FFJORD): points move along a learned velocity field.

forward   z = x(1),  dx/dt = f(x, t, y),  x(0) = x, by an adaptive Dormand-Prince method; one f per layer
log-det   ∫₀¹ tr ∂f/∂x dt along the way; the trace is exact
inverse   the same equation from t = 1 back to t = 0
Source: Grathwohl et al. 2019, FFJORD, arXiv:1810.01367; Chen et al. 2018, Neural ODEs, arXiv:1806.07366.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import SEARCHED_CAPABILITIES
from workbench.core.shapes import Shapes
from workbench.nn.choices import SMOOTH_ACTIVATIONS

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel

_NO_GRAPH = (
    "A continuous flow is integrated in steps whose size and number depend on the data, which a "
    "traced graph cannot hold; export the weights."
)


@ARCHITECTURES.register
class Continuous(LayeredArchitecture):
    """Continuous normalizing flow: its networks are unrestricted, at the price of computing time."""

    key = "continuous"
    title = "Continuous flow"
    summary = "Points follow a learned velocity field from the data to the latent, and back for a sample."
    reference = (
        "Grathwohl, Chen, Bettencourt, Sutskever & Duvenaud (2019), FFJORD: Free-form Continuous "
        "Dynamics for Scalable Reversible Generative Models, ICLR, arXiv:1810.01367"
    )
    capabilities = SEARCHED_CAPABILITIES
    inverse_tolerance = 3e-4
    cost: ClassVar[CostCard] = CostCard(
        density="an ODE, some tens of passes",
        sampling="an ODE, some tens of passes",
        inverse="numerical, an ODE",
        warning="The steps are chosen for a whole batch, so that a point's density depends, within the "
        "tolerance, on the other points of its batch.",
    )
    formats: ClassVar[dict[str, str]] = {"graph": _NO_GRAPH, "onnx": _NO_GRAPH}

    transforms = param.Integer(default=2)
    activation = param.Selector(
        default="silu",
        objects=list(SMOOTH_ACTIVATIONS),
        doc="""
        Non-linearity of the velocity fields. All are smooth, since the log-determinant needs derivatives.""",
    )
    frequencies = param.Integer(
        default=3,
        bounds=(1, 16),
        doc="""
        Number of Fourier features of time that the velocity fields read.""",
    )
    tolerance = param.Number(
        default=1e-5,
        bounds=(1e-9, 1e-2),
        doc="""
        Relative tolerance of the integration, the absolute one being a tenth of it. Smaller is slower.""",
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.free_form import FreeForm
        from workbench.nn.smooth_network import SMOOTH

        layers = [
            FreeForm(
                shapes.x,
                shapes.y,
                [self.width] * self.depth,
                SMOOTH[self.activation],
                frequencies=self.frequencies,
                tolerance=self.tolerance,
            )
            for _ in range(self.transforms)
        ]
        return ZukoFlowModel(layers, shapes, self.capabilities)
