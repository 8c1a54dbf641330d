"""Multilayer perceptron with a bounded Lipschitz constant (spectral normalisation), as critic.

v = L · W_k σ(… σ(W_1 u)),  each W_i divided by its largest singular value at every forward pass
Lip(v) <= L, since σ is 1-Lipschitz and each divided matrix has norm 1

Miyato et al. use one power iteration per training step, which underestimates the norm while the weights
change; here the norm is exact, so that the bound holds at every step. Source: Miyato et al. (2018),
arXiv:1802.05957.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.critics.base import CRITICS, Critic

if TYPE_CHECKING:
    from torch import nn


@CRITICS.register
class SpectralNormMLP(Critic):
    """Multilayer perceptron with spectral normalisation (SN), as critic."""

    key = "spectral_norm_mlp"
    title = "Spectral-norm perceptron"
    summary = "A network that cannot be steeper than its declared Lipschitz constant: for W1 and (f, Γ)."
    reference = "Miyato et al. (2018), arXiv:1802.05957"

    width = param.Integer(64, bounds=(2, 512), doc="Units in each hidden layer.")
    depth = param.Integer(2, bounds=(1, 8), doc="Number of hidden layers.")
    activation = param.Selector(
        default="leaky_relu",
        objects=["relu", "leaky_relu", "tanh"],
        doc="Non-linearity between the layers, each 1-Lipschitz; the leaky one keeps more of the slope.",
    )
    lipschitz = param.Number(
        1.0, bounds=(1e-3, 1e3), doc="Largest slope L of the critic, in logits per unit of its input."
    )

    def build(self, features: int) -> nn.Module:
        from workbench.nn.critic_networks import SpectralNormNetwork

        return SpectralNormNetwork(features, self.width, self.depth, self.activation, self.lipschitz)
