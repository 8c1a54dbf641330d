"""Multilayer perceptron as critic: v = MLP(u), u a row of x, or of x and y concatenated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.critics.base import CRITICS, Critic

if TYPE_CHECKING:
    from torch import nn


@CRITICS.register
class MLP(Critic):
    """Multilayer perceptron (MLP) as critic; the default is the 64-64 ReLU network of VINA §4.1.2."""

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
        from workbench.nn.critic_networks import MultilayerPerceptron

        return MultilayerPerceptron(features, self.width, self.depth, self.activation)
