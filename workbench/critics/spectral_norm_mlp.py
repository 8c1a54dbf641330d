"""A multilayer perceptron whose Lipschitz constant is known.

v = L · W_k σ(… σ(W_1 u)),  each W_i divided by its largest singular value at every forward pass
Lip(v) <= L, since σ is 1-Lipschitz and each divided matrix has norm 1

Miyato et al. take one step of power iteration for each training step, which underestimates the norm while the
weights move; here the norm is exact, so that the bound holds at every step. Source: Miyato et al. (2018),
arXiv:1802.05957.
"""

from __future__ import annotations

import param
import torch
from torch import Tensor, nn

from workbench.critics.base import CRITICS, Critic

_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh}


class NormalisedLinear(nn.Linear):
    """Linear with a weight of spectral norm 1, divided anew at every pass."""

    def forward(self, u: Tensor) -> Tensor:
        norm = torch.linalg.matrix_norm(self.weight, ord=2)
        return nn.functional.linear(u, self.weight / norm.clamp_min(1e-12), self.bias)


class SpectralNormNetwork(nn.Module):
    """(n, D) -> (n, 1) with a declared ``lipschitz`` constant."""

    def __init__(self, layers: list[nn.Module], lipschitz: float) -> None:
        super().__init__()
        self.layers, self.lipschitz = nn.Sequential(*layers), lipschitz

    def forward(self, u: Tensor) -> Tensor:
        return self.lipschitz * self.layers(u)


@CRITICS.register
class SpectralNormMLP(Critic):
    """Multilayer perceptron with spectral normalisation (SN)."""

    key = "spectral_norm_mlp"
    title = "Spectral-norm perceptron"
    summary = "A network that cannot be steeper than its declared Lipschitz constant: for W1 and (f, Γ)."
    reference = "Miyato et al. (2018), arXiv:1802.05957"

    width = param.Integer(64, bounds=(2, 512), doc="Units in each hidden layer.")
    depth = param.Integer(2, bounds=(1, 8), doc="Number of hidden layers.")
    activation = param.Selector(
        default="leaky_relu",
        objects=list(_ACTIVATIONS),
        doc="Non-linearity between the layers, 1-Lipschitz each; the leaky one keeps more of the slope.",
    )
    lipschitz = param.Number(
        1.0, bounds=(1e-3, 1e3), doc="Largest slope L of the critic, in logits by unit of its input."
    )

    def build(self, features: int) -> SpectralNormNetwork:
        sizes = [features] + [self.width] * self.depth
        layers: list[nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [NormalisedLinear(before, after), _ACTIVATIONS[self.activation]()]
        return SpectralNormNetwork([*layers, NormalisedLinear(sizes[-1], 1)], self.lipschitz)
