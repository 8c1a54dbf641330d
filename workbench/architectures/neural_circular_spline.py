"""Neural circular spline flow (NCSF): real numbers are mapped to angles, and these by circular splines.

forward   θ = π tanh(k x);  each layer turns by half a circle and maps θ_i by a circular monotone spline whose
          knots depend on θ_{<i} and y;  z = √2 erf⁻¹(θ / π)
log-det   Σ_i of log(π k) − 2 log cosh(k x_i), the splines' log-slopes, and z_i²/2 − ½ log 2π
inverse   the steps in reverse order, each in closed form; D passes per layer
Source: Rezende et al. 2020, Normalizing Flows on Tori and Spheres, arXiv:2002.02428, section 2.
The first map is added since data here are real numbers, not angles; −∞ and +∞ become the same angle.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.architectures.splines import BINS_DOC, LEAST_SLOPE
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class NeuralCircularSpline(AutoregressiveArchitecture):
    """Neural circular spline flow: a bijection except at the angle ±π, where z jumps from +∞ to −∞."""

    key = "neural_circular_spline"
    title = "Neural circular spline flow"
    summary = (
        "Each component is laid around a circle and passes through circular splines that depend on "
        "those before it."
    )
    reference = "Rezende et al. (2020), Normalizing Flows on Tori and Spheres, ICML, arXiv:2002.02428"
    capabilities = FLOW_CAPABILITIES
    inverse_tolerance = 1e-5
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="D passes",
        inverse="exact, D passes",
        warning="Latent and data are torn at one point of each component, and in single precision points "
        "beyond about six standard deviations are lost on the way back.",
    )
    formats: ClassVar[dict[str, str]] = {
        "graph": "",
        "onnx": "Its latent is a quantile of the normal distribution, which ONNX lacks; export the graph.",
    }

    transforms = param.Integer(default=3)
    bins = param.Integer(default=8, bounds=(2, 64), doc=BINS_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.flows.spline import CircularRQSTransform
        from zuko.lazy import UnconditionalTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.circle import CircleToNormalTransform, OntoCircleTransform

        spline = partial(CircularRQSTransform, slope=LEAST_SLOPE)
        parameters = ((self.bins,), (self.bins,), (self.bins - 1,))
        layers = self.autoregressive_layers(shapes, lambda: spline, parameters)
        return ZukoFlowModel(
            [
                UnconditionalTransform(OntoCircleTransform),
                *layers,
                UnconditionalTransform(CircleToNormalTransform),
            ],
            shapes,
            self.capabilities,
        )
