"""Critic networks: functions v(u) of points u (n, D), one logit (n, 1) per point.

quadratic          v(u) = c + bᵀu + uᵀAu
spectral norm      v = L · W_k σ(… σ(W_1 u)),  each W_i divided by its largest singular value:  Lip(v) <= L
kernel expansion   v(u) = Σ_i α_i exp(-γ |c_i - u|²),  scaled back into the ball |v|_k <= b of its RKHS
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
#: Activations of the spectral-norm network, each 1-Lipschitz; the leaky one has slope 0.2 below zero.
LIPSCHITZ_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh}


def perceptron(
    features: int,
    width: int,
    depth: int,
    activation: Callable[[], nn.Module],
    linear: Callable[[int, int], nn.Module] = nn.Linear,
) -> list[nn.Module]:
    """List of the layers of a multilayer perceptron (n, ``features``) -> (n, 1)."""
    sizes = [features] + [width] * depth
    layers: list[nn.Module] = []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [linear(before, after), activation()]
    return [*layers, linear(sizes[-1], 1)]


class MultilayerPerceptron(nn.Sequential):
    """Plain feed-forward critic (n, D) -> (n, 1); ``activation`` is a key of `ACTIVATIONS`."""

    def __init__(self, features: int, width: int, depth: int, activation: str) -> None:
        super().__init__(*perceptron(features, width, depth, ACTIVATIONS[activation]))


class QuadraticFunction(nn.Module):
    """Quadratic critic v(u) = c + bᵀu + uᵀAu: (n, D) -> (n, 1)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        # small random weights rather than zeros, so that the first gradients are not all zero
        self.matrix = nn.Parameter(0.01 * torch.randn(features, features))
        self.vector = nn.Parameter(0.01 * torch.randn(features))
        self.constant = nn.Parameter(0.01 * torch.randn(()))

    def forward(self, u: Tensor) -> Tensor:
        return (self.constant + u @ self.vector + ((u @ self.matrix) * u).sum(-1))[:, None]


class NormalisedLinear(nn.Linear):
    """Linear map whose weight is divided by its spectral norm at every forward pass."""

    def forward(self, u: Tensor) -> Tensor:
        norm = torch.linalg.matrix_norm(self.weight, ord=2)
        return nn.functional.linear(u, self.weight / norm.clamp_min(1e-12), self.bias)


class SpectralNormNetwork(nn.Module):
    """Perceptron critic with Lipschitz constant of at most ``lipschitz``: (n, D) -> (n, 1)."""

    def __init__(self, features: int, width: int, depth: int, activation: str, lipschitz: float) -> None:
        super().__init__()
        kind = LIPSCHITZ_ACTIVATIONS[activation]
        self.layers = nn.Sequential(*perceptron(features, width, depth, kind, NormalisedLinear))
        self.lipschitz = lipschitz

    def forward(self, u: Tensor) -> Tensor:
        return self.lipschitz * self.layers(u)


class RkhsFunction(nn.Module):
    """Critic h(u) = Σ_i α_i k(c_i, u), a kernel expansion with a Gaussian kernel k: (n, D) -> (n, 1).

    It is scaled back into the ball |h|_k <= ``radius`` of its RKHS at every forward pass.
    """

    def __init__(self, centres: Tensor, weights: Tensor, decay: float, radius: float) -> None:
        super().__init__()
        self.decay, self.radius = decay, radius
        self.register_buffer("centres", centres)
        self.weights = nn.Parameter(weights)

    def norm(self) -> Tensor:
        """RKHS norm |h|_k before the function is scaled back into the ball, a scalar."""
        quadratic = self.weights @ gaussian_kernel(self.centres, self.centres, self.decay) @ self.weights
        return quadratic.clamp_min(1e-24).sqrt()

    def forward(self, u: Tensor) -> Tensor:
        shrink = (self.radius / self.norm()).clamp_max(1)
        kernel = gaussian_kernel(u.to(self.centres), self.centres, self.decay)
        return (kernel @ self.weights * shrink)[:, None].to(u)


def gaussian_kernel(a: Tensor, b: Tensor, decay: float) -> Tensor:
    """Gaussian kernel exp(-γ |a - b|²), γ = ``decay``, of all pairs of rows: (n, D), (m, D) -> (n, m)."""
    distances = a.square().sum(-1)[:, None] + b.square().sum(-1)[None, :] - 2 * a @ b.T
    return (-decay * distances.clamp_min(0)).exp()


class RatioCritic(nn.Module):
    """Optimal critic of a divergence, given the log p/q that a classifier estimates: (n, D) -> (n, 1)."""

    def __init__(self, classifier: nn.Module, optimal_logits: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.classifier, self.optimal_logits = classifier, optimal_logits

    def forward(self, u: Tensor) -> Tensor:
        return self.optimal_logits(self.classifier(u))


class FrozenCritic(nn.Module):
    """Trained critic without gradients, as a function of points in data units: (n, D) -> logits (n,).

    The points are standardised by ``shift`` and ``scale``. The logits are clamped to their range on the
    standardised samples ``p`` and ``q``, since a critic extrapolates beyond it, and one large exponential
    would dominate a mean. The clamped function is still a critic, so that a lower bound remains one.
    """

    def __init__(self, critic: nn.Module, shift: Tensor, scale: Tensor, p: Tensor, q: Tensor) -> None:
        super().__init__()
        self.critic = critic
        with torch.no_grad():
            logits = critic(torch.cat([p, q]))
        limits = (("shift", shift), ("scale", scale), ("low", logits.min()), ("high", logits.max()))
        for name, value in limits:
            self.register_buffer(name, value)
        self.requires_grad_(False)

    def forward(self, u: Tensor) -> Tensor:
        return self.critic((u - self.shift) / self.scale)[:, 0].clamp(self.low, self.high)
