"""Neural spline flow (NSF): each component passes through a monotone rational-quadratic spline.

forward   z_a = x_a,  z_b = g(x_b; θ(x_a, y)), a and b the halves of x;  g is monotone on [−B, B] and the
          identity outside; in a bin with corners (u₀, v₀), (u₁, v₁) and slopes d₀, d₁ at them,
          σ = (v₁ − v₀)/(u₁ − u₀), ξ = (u − u₀)/(u₁ − u₀):
          g(u) = v₀ + (v₁ − v₀) [σ ξ² + d₀ ξ(1 − ξ)] / [σ + (d₀ + d₁ − 2σ) ξ(1 − ξ)]
log-det   Σ log g'(x_b),  g' = σ² [d₁ ξ² + 2σ ξ(1 − ξ) + d₀ (1 − ξ)²] / [σ + (d₀ + d₁ − 2σ) ξ(1 − ξ)]²
inverse   x_b = g⁻¹(z_b; θ(z_a, y)), the root of a quadratic
Source: Durkan, Bekasov, Murray & Papamakarios 2019, Neural Spline Flows, arXiv:1906.04032.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.architectures.base import ARCHITECTURES
from workbench.architectures.couplings import MIXING, MIXING_DOC, CouplingArchitecture
from workbench.architectures.splines import SplineArchitecture
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class NeuralSplineCoupling(SplineArchitecture, CouplingArchitecture):
    """Neural spline flow: couplings as cheap to sample as RealNVP's, each far more flexible."""

    key = "neural_spline_coupling"
    title = "Neural spline flow"
    summary = (
        "Half of the components passes through monotone splines whose knots a network computes from "
        "the other half."
    )
    reference = (
        "Durkan, Bekasov, Murray & Papamakarios (2019), Neural Spline Flows, NeurIPS, arXiv:1906.04032"
    )

    transforms = param.Integer(default=6)
    mixing = param.Selector(default="none", objects=MIXING, doc=MIXING_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel

        univariate, parameters = self.spline()
        embedding, context = self.embedding_for(shapes)
        layers = self.couplings(Shapes(shapes.x, context), univariate, parameters, mixing=self.mixing)
        return ZukoFlowModel(layers, shapes, self.capabilities, embedding)
