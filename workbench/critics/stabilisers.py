"""Stabilisers of adversarial training of a critic v: gradient penalties, noise and clamping.

R1                 ½ E_P |∇v|²                     Mescheder, Geiger, Nowozin (2018), arXiv:1801.04406
gradient penalty   E (|∇v(û)| - L)²,  û = ε u_P + (1-ε) u_Q;  one-sided: only where |∇v| > L
                                                   Gulrajani et al. (2017), arXiv:1704.00028
instance noise     u + s·N(0, I) on both samples   Sønderby et al. (2017), arXiv:1610.04490
clamp              v clamped to ± limit           the public code of VINA uses 4

R1 and the penalty cost a second derivative. Noise and clamp bias a divergence's value downwards: noisy
distributions are closer than the true ones, and clamped critics are a smaller class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.errors import DataError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def slopes(critic: nn.Module, points: Tensor) -> Tensor:
    """Return the slopes |∇v| (n,) of a critic v at points (n, D), with gradient in its weights."""
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    # the tiny floor keeps the root's derivative finite where the critic is flat
    return (slope.square().sum(-1) + 1e-24).sqrt()


def r1(critic: nn.Module, points: Tensor) -> Tensor:
    """Return R1, ½ E|∇v|² at data (n, D), a scalar to add to the critic's loss."""
    return 0.5 * slopes(critic, points).square().mean()


def gradient_penalty(
    critic: nn.Module,
    p: Tensor,
    q: Tensor,
    generator: torch.Generator | None = None,
    *,
    target: float = 1.0,
    one_sided: bool = False,
) -> Tensor:
    """Return the mean squared deviation of a critic's slope |∇v| from ``target``, a scalar.

    It is evaluated at random points between rows of p (n, D) and of q (m, D). With ``one_sided`` only slopes
    above the target count. Raises `DataError` if the dimensions of p and q differ.
    """
    if p.shape[1:] != q.shape[1:]:
        raise DataError(
            "A gradient penalty interpolates between samples of the same dimension",
            expected="(n, D) and (m, D)",
            found=f"{tuple(p.shape)} and {tuple(q.shape)}",
        )
    n = min(len(p), len(q))
    mix = torch.rand(n, 1, generator=generator, device=p.device, dtype=p.dtype)
    excess = slopes(critic, mix * p[:n] + (1 - mix) * q[:n]) - target
    return (excess.clamp_min(0) if one_sided else excess).square().mean()


def instance_noise(points: Tensor, size: float, generator: torch.Generator | None = None) -> Tensor:
    """Add Gaussian noise of standard deviation ``size`` to points (n, D), in their units."""
    noise = torch.randn(points.shape, generator=generator, device=points.device, dtype=points.dtype)
    return points + size * noise


def clamp(logits: Tensor, limit: float) -> Tensor:
    """Clamp logits to ± ``limit``, elementwise; beyond it their gradient is zero."""
    return logits.clamp(-limit, limit)
