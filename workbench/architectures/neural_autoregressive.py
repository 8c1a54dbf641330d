"""Neural autoregressive flow (NAF): a monotone network maps each component, given the components before it.

forward   z_i = f(x_i; c_i(x_{<i}, y)), linear beyond ±B; f is a network with positive weights and two-sided
          ELUs, which reads the signal c_i, the output of a masked network
log-det   Σ_i log ∂f/∂x_i, by automatic differentiation
inverse   x_i by root finding, one component after the other
start     the last layer of each f is scaled and shifted such that f(±1; 0) = ±1: slopes multiply over layers
          of positive weights, so that otherwise f would shrink (narrow) or stretch (wide) by powers of ten
Source: Huang, Krueger, Lacoste & Courville 2018, Neural Autoregressive Flows, arXiv:1804.00779.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import SEARCHED_CAPABILITIES, SEARCHED_FORMATS, TAILS, TAILS_DOC
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from zuko.flows.neural import MNN

    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class NeuralAutoregressive(AutoregressiveArchitecture):
    """Neural autoregressive flow: universal in principle; of all architectures the slowest to sample."""

    key = "neural_autoregressive"
    title = "Neural autoregressive flow"
    summary = "Each component passes through a monotone network that depends on those before it."
    reference = (
        "Huang, Krueger, Lacoste & Courville (2018), Neural Autoregressive Flows, ICML, arXiv:1804.00779"
    )
    capabilities = SEARCHED_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="about 8 D passes",
        inverse="numerical, about 8 D passes",
        warning="The inverse is searched for.",
    )
    formats: ClassVar[dict[str, str]] = SEARCHED_FORMATS

    transforms = param.Integer(default=3)
    signal = param.Integer(
        default=16,
        bounds=(1, 128),
        doc="""
        Size of the signal that the masked network passes to the monotone network of each component.""",
    )
    bound = param.Number(default=TAILS, bounds=(1.0, 100.0), doc=TAILS_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.flows.neural import MNN

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.linear_tails import LinearTails

        sizes = self.network()["hidden_features"]
        layers = self.autoregressive_layers(
            shapes,
            lambda: LinearTails(
                standardise(MNN(signal=self.signal, stack=shapes.x, hidden_features=sizes), self.signal),
                self.bound,
            ),
            ((self.signal,),),
        )
        return ZukoFlowModel(layers, shapes, self.capabilities)


def standardise(network: MNN, signal: int) -> MNN:
    """Scale a stack of monotone networks f in place such that f(±1) = ±1, and return it.

    ``signal`` is the size of the signal that each network reads, here zero.
    """
    last = network.network[-1]  # weight (stack, 1, width), bias (stack, 1)
    with torch.no_grad():
        ends = last.bias.new_tensor([-1.0, 1.0])[:, None].expand(2, len(last.bias))
        low, high = network.f(last.bias.new_zeros(*ends.shape, signal), ends)
        slope = 0.5 * (high - low)
        last.weight.div_(slope[:, None, None])
        last.bias.copy_((last.bias - 0.5 * (high + low)[:, None]) / slope[:, None])
    return network
