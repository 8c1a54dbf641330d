"""A multilayer perceptron as critic: v = MLP(u), u the concatenated variables, one logit out."""

from __future__ import annotations

import param
from torch import nn

from workbench.critics.base import CRITICS, Critic


@CRITICS.register
class MLP(Critic):
    """Multilayer perceptron (MLP), by default the 64-64 ReLU network of VINA §4.1.2."""

    key = "mlp"
    title = "Multilayer perceptron"
    summary = "A small feed-forward network; its capacity trades the variational gap against generalisation."
    reference = "VINA §4.1.2"

    width = param.Integer(64, bounds=(2, 2048), doc="Units in each hidden layer.")
    depth = param.Integer(2, bounds=(1, 8), doc="Number of hidden layers.")
    activation = param.Selector(
        default="relu",
        objects=["relu", "leaky_relu", "silu", "tanh"],
        doc="Non-linearity between the layers.",
    )

    def build(self, features: int) -> nn.Module:
        """A module (n, features) -> (n, 1)."""
        kind = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "silu": nn.SiLU, "tanh": nn.Tanh}[
            self.activation
        ]
        sizes = [features] + [self.width] * self.depth
        layers: list[nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(before, after), kind()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
