"""A quadratic function as critic.

v(u) = c + bᵀu + uᵀAu,  A a free square matrix (only its symmetric part counts)

Between two Gaussians log p/q is quadratic: this class attains KL, Jensen-Shannon and every other f-divergence
whose optimal logit is affine in log p/q, and has D² + D + 1 weights to overfit with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.critics.base import CRITICS, Critic


class QuadraticFunction(nn.Module):
    """(n, D) -> (n, 1)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        # small random weights rather than zeros, so that the first gradients are not all zero
        self.matrix = nn.Parameter(0.01 * torch.randn(features, features))
        self.vector = nn.Parameter(0.01 * torch.randn(features))
        self.constant = nn.Parameter(0.01 * torch.randn(()))

    def forward(self, u: Tensor) -> Tensor:
        return (self.constant + u @ self.vector + ((u @ self.matrix) * u).sum(-1))[:, None]


@CRITICS.register
class Quadratic(Critic):
    """Quadratic functions, the exact class for Gaussians."""

    key = "quadratic"
    title = "Quadratic"
    summary = (
        "Attains f-divergences between Gaussians exactly; blind to anything beyond second moments otherwise."
    )
    reference = "Log-ratio of two Gaussians"
    caution = (
        "A quadratic critic sees means and covariances only: laws that share them, and are not Gaussian, are "
        "equal for it."
    )

    def build(self, features: int) -> QuadraticFunction:
        return QuadraticFunction(features)
