"""Unconstrained neural autoregressive flow (UNAF): each component is the integral of a positive network.

forward   z_i = β_i(x_{<i}, y) + ∫₀^{x_i} g(u; c_i(x_{<i}, y)) du, by Gauss-Legendre quadrature at 32 points;
          linear beyond ±B
log-det   Σ_i log g(x_i; c_i);  g = exp(h / (1 + |h/7|)), h a network, lies between exp(−7) and exp(7)
inverse   x_i by root finding, one component after the other
Source: Wehenkel & Louppe 2019, Unconstrained Monotonic Neural Networks, arXiv:1908.05164.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import SEARCHED_CAPABILITIES, SEARCHED_FORMATS, TAILS, TAILS_DOC
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class UnconstrainedNeuralAutoregressive(AutoregressiveArchitecture):
    """Unconstrained neural autoregressive flow: weights of any sign, at the price of a quadrature."""

    key = "unconstrained_neural_autoregressive"
    title = "Unconstrained neural autoregressive flow"
    summary = "Each component is the integral of a positive network that depends on those before it."
    reference = "Wehenkel & Louppe (2019), Unconstrained Monotonic Neural Networks, NeurIPS, arXiv:1908.05164"
    capabilities = SEARCHED_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass, 32 integrands",
        sampling="about 8 D passes, 32 integrands each",
        inverse="numerical, about 8 D passes",
        warning="The integral is a quadrature and the inverse is searched for.",
    )
    formats: ClassVar[dict[str, str]] = SEARCHED_FORMATS

    transforms = param.Integer(default=2)
    signal = param.Integer(
        default=16,
        bounds=(1, 128),
        doc="""
        Size of the signal that the masked network passes to the integrand of each component.""",
    )
    integrand_width = param.Integer(
        default=32,
        bounds=(4, 256),
        doc="""
        Units in each of the two hidden layers of the integrand, which is evaluated 32 times as often as the
        masked network.""",
    )
    bound = param.Number(default=TAILS, bounds=(1.0, 100.0), doc=TAILS_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.flows.neural import UMNN

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.linear_tails import LinearTails

        sizes = [self.integrand_width] * 2
        layers = self.autoregressive_layers(
            shapes,
            lambda: LinearTails(UMNN(signal=self.signal, stack=shapes.x, hidden_features=sizes), self.bound),
            ((self.signal,), ()),
        )
        return ZukoFlowModel(layers, shapes, self.capabilities)
