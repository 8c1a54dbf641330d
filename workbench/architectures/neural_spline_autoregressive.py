"""Autoregressive neural spline flow: monotone splines whose knots depend on the components before.

forward   z_i = g(x_i; θ_i(x_{<i}, y)), a monotone rational-quadratic spline on [−B, B], the identity outside
affine    optional first layer u_i = e^(s_i) x_i + t_i, (s_i, t_i)(x_{<i}, y): it moves and stretches a narrow
          posterior to the interval in which the splines act
log-det   Σ_i log g'(x_i; θ_i)
inverse   x_i = g⁻¹(z_i; θ_i(x_{<i}, y)), the root of a quadratic, one after the other: D passes per layer
Source: Durkan, Bekasov, Murray & Papamakarios 2019, Neural Spline Flows, arXiv:1906.04032; Papamakarios,
Pavlakou & Murray 2017, arXiv:1705.07057 (the affine layer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import affine_map
from workbench.architectures.splines import SplineArchitecture
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel

#: Scales of the affine layer stay between this and its inverse.
LEAST_SCALE = 1e-4


@ARCHITECTURES.register
class NeuralSplineAutoregressive(SplineArchitecture, AutoregressiveArchitecture):
    """Autoregressive neural spline flow: more flexible layers than couplings, D times as slow to sample."""

    key = "neural_spline_autoregressive"
    title = "Autoregressive neural spline flow"
    summary = "Each component passes through a monotone spline whose knots depend on those before it."
    reference = (
        "Durkan, Bekasov, Murray & Papamakarios (2019), Neural Spline Flows, NeurIPS, arXiv:1906.04032"
    )
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="D passes", inverse="exact, D passes")

    transforms = param.Integer(default=3)
    affine = param.Boolean(
        default=False,
        doc="""
        A layer of shifts and scales before the splines, which moves a narrow posterior to their interval.""",
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from workbench.architectures.models.zuko_flow import ZukoFlowModel

        univariate, parameters = self.spline()
        embedding, context = self.embedding_for(shapes)
        inputs = Shapes(shapes.x, context)
        layers = self.autoregressive_layers(inputs, lambda: univariate, parameters)
        if self.affine:
            affine = affine_map(LEAST_SCALE)
            # in the other order than the first spline layer
            layers = self.autoregressive_layers(inputs, lambda: affine, ((), ()), numbers=(1,)) + layers
        return ZukoFlowModel(layers, shapes, self.capabilities, embedding)
