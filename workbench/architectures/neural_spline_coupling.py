"""Neural spline flow (NSF): each component passes through a monotone rational-quadratic spline.

forward   z_a = x_a,  z_b = g(x_b; θ(x_a, y));  g is monotone on [−B, B] and the identity outside;
          in a bin with corners (u₀, v₀), (u₁, v₁) and slopes d₀, d₁ at them,
          σ = (v₁ − v₀)/(u₁ − u₀), ξ = (u − u₀)/(u₁ − u₀):
          g(u) = v₀ + (v₁ − v₀) [σ ξ² + d₀ ξ(1 − ξ)] / [σ + (d₀ + d₁ − 2σ) ξ(1 − ξ)]
log-det   Σ log g'(x_b),  g' = σ² [d₁ ξ² + 2σ ξ(1 − ξ) + d₀ (1 − ξ)²] / [σ + (d₀ + d₁ − 2σ) ξ(1 − ξ)]²
inverse   x_b = g⁻¹(z_b; θ(z_a, y)), the root of a quadratic
Source: Durkan, Bekasov, Murray & Papamakarios 2019, Neural Spline Flows, arXiv:1906.04032.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import param
from zuko.transforms import MonotonicRQSTransform

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import FLOW_CAPABILITIES, MIXING, MIXING_DOC, coupling_layers
from workbench.architectures.embedded import EmbeddedArchitecture
from workbench.architectures.flow_model import ZukoFlowModel
from workbench.core.shapes import Shapes

#: Slopes stay between this and its inverse. zuko's own 1e-3 loses the inverse of steep splines in float32
#: (errors of 5, and not-a-numbers, for conditioner outputs around 10); this costs no measurable likelihood.
LEAST_SLOPE = 1e-2


@ARCHITECTURES.register
class NeuralSplineCoupling(EmbeddedArchitecture, LayeredArchitecture):
    """Spline couplings: as cheap to sample as RealNVP and far more flexible a layer."""

    key = "neural_spline_coupling"
    title = "Neural spline flow"
    summary = (
        "Half of the components passes through monotone splines whose knots a network reads off the "
        "other half."
    )
    reference = (
        "Durkan, Bekasov, Murray & Papamakarios (2019), Neural Spline Flows, NeurIPS, arXiv:1906.04032"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="1 pass", inverse="exact, 1 pass")

    transforms = param.Integer(default=6)
    bins = param.Integer(
        default=8,
        bounds=(2, 64),
        doc="""
        Pieces of each spline. More pieces draw finer detail.""",
    )
    bound = param.Number(
        default=5.0,
        bounds=(1.0, 20.0),
        doc="""
        The splines act between −bound and +bound, in standard deviations of the data; further out they are
        the identity.""",
    )
    mixing = param.Selector(default="none", objects=MIXING, doc=MIXING_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        spline = partial(MonotonicRQSTransform, bound=self.bound, slope=LEAST_SLOPE)
        parameters = ((self.bins,), (self.bins,), (self.bins - 1,))
        embedding, context = self.embedding_for(shapes)
        layers = coupling_layers(
            Shapes(shapes.x, context),
            self.transforms,
            univariate=spline,
            parameters=parameters,
            network=self.network(),
            mixing=self.mixing,
        )
        return ZukoFlowModel(layers, shapes, self.capabilities, embedding)
