"""Quadratic functions as critics, which suffice for divergences between Gaussians.

v(u) = c + bᵀu + uᵀAu,  A a free square matrix (only its symmetric part counts)

Between two Gaussians log p/q is quadratic: this class attains KL, Jensen-Shannon and every other f-divergence
whose optimal logit is affine in log p/q. With D² + D + 1 weights it may overfit.

Start   the log-ratio of the Gaussians N(m, C) fitted to both samples, with precisions Λ = C⁻¹:
        A = ½ (Λ_q - Λ_p),  b = Λ_p m_p - Λ_q m_q,
        c = ½ (m_qᵀ Λ_q m_q - m_pᵀ Λ_p m_p + log|Λ_p| - log|Λ_q|)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.critics.base import CRITICS, Critic

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Added to the diagonal of a covariance, relative to its largest variance, so that it has an inverse.
_RIDGE = 1e-9


@CRITICS.register
class Quadratic(Critic):
    """Quadratic functions as critics; they contain the optimal critic between two Gaussians."""

    key = "quadratic"
    title = "Quadratic"
    summary = (
        "Attains f-divergences between Gaussians exactly; blind to anything beyond second moments otherwise."
    )
    reference = "Log-ratio of two Gaussians"
    gaussian = True
    caution = (
        "A quadratic critic sees means and covariances only: distributions that share them, and are not "
        "Gaussian, are equal for it."
    )

    def build(self, features: int) -> nn.Module:
        from workbench.nn.critic_networks import QuadraticFunction

        return QuadraticFunction(features)

    def fit(self, p: Tensor, q: Tensor) -> nn.Module:
        """Return the log-ratio of the Gaussians fitted to samples p (n, D) and q (m, D)."""
        from workbench.nn.critic_networks import QuadraticFunction

        function = QuadraticFunction(p.shape[1]).to(p)
        (p_mean, p_precision), (q_mean, q_precision) = (_gaussian(s) for s in (p, q))
        p_slope, q_slope = p_precision @ p_mean, q_precision @ q_mean
        level = q_mean @ q_slope - p_mean @ p_slope + p_precision.logdet() - q_precision.logdet()
        with torch.no_grad():
            function.matrix.copy_(0.5 * (q_precision - p_precision))
            function.vector.copy_(p_slope - q_slope)
            function.constant.copy_(0.5 * level)
        return function


def _gaussian(sample: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (D,) and precision (D, D) of a sample (n, D)."""
    covariance = torch.atleast_2d(sample.T.cov())
    ridge = _RIDGE * covariance.diagonal().max().clamp_min(1e-12)
    return sample.mean(0), torch.linalg.inv(covariance + ridge * torch.eye(len(covariance)).to(sample))
