"""Quadratic functions as critics, which suffice for divergences between Gaussians.

v(u) = c + bᵀu + uᵀAu,  A a free square matrix (only its symmetric part counts)

Between two Gaussians log p/q is quadratic: this class attains KL, Jensen-Shannon and every other f-divergence
whose optimal logit is affine in log p/q. With D² + D + 1 weights it may overfit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.critics.base import CRITICS, Critic

if TYPE_CHECKING:
    from torch import nn


@CRITICS.register
class Quadratic(Critic):
    """Quadratic functions as critics; they contain the optimal critic between two Gaussians."""

    key = "quadratic"
    title = "Quadratic"
    summary = (
        "Attains f-divergences between Gaussians exactly; blind to anything beyond second moments otherwise."
    )
    reference = "Log-ratio of two Gaussians"
    caution = (
        "A quadratic critic sees means and covariances only: distributions that share them, and are not "
        "Gaussian, are equal for it."
    )

    def build(self, features: int) -> nn.Module:
        from workbench.nn.critic_networks import QuadraticFunction

        return QuadraticFunction(features)
