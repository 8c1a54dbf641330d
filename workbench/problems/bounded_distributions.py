"""Distributions on a bounded domain: uniform on a box, and the truncated normal.

Uniform:    log p(x) = -Σ log(high - low) inside, -inf outside.
Truncated:  p(x) ∝ N(x; m, s²) on (low, high), by inversion: Φ(z) = (1 - u) Φ(a) + u Φ(b), u uniform,
            a = (low - m)/s, b = (high - m)/s. Computed in logarithms and mirrored so that a + b <= 0, which
            is accurate however far in a tail the interval lies.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def box_draw(n: int, columns: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw numbers (n, columns), float64, uniform on [low, high)."""
    return low + (high - low) * torch.rand(n, columns, generator=generator, dtype=torch.float64)


def box_log_density(x: Tensor, low: float, high: float) -> Tensor:
    """Return log p(x) (n,) in nats of the uniform distribution on [low, high]^d at ``x`` (n, d)."""
    inside = ((x >= low) & (x <= high)).all(1)
    # adding 0 x keeps the result on the graph of x, whose gradient here is zero
    flat = 0.0 * x.sum(1) - x.shape[1] * math.log(high - low)
    return torch.where(inside, flat, -math.inf)


def _ends(mean: Tensor, scale: float, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return (low - mean)/scale and (high - mean)/scale, and the sign ±1 that makes their sum <= 0.

    Both are multiplied by the sign and sorted: the interval then lies to the left.
    """
    first, second = (low - mean) / scale, (high - mean) / scale
    sign = torch.where(first + second > 0, -1.0, 1.0).to(mean)
    return torch.minimum(sign * first, sign * second), torch.maximum(sign * first, sign * second), sign


def truncated_normal_log_mass(mean: Tensor, scale: float, low: float, high: float) -> Tensor:
    """Return log P(low < X < high) in nats for X ~ N(mean, scale²), in the shape of ``mean``."""
    lower, upper, _ = _ends(mean, scale, low, high)
    log_upper = torch.special.log_ndtr(upper)
    return log_upper + torch.log1p(-(torch.special.log_ndtr(lower) - log_upper).exp())


def truncated_normal_draw(
    mean: Tensor, scale: float, low: float, high: float, generator: torch.Generator
) -> Tensor:
    """Draw one exact sample of N(mean, scale²) truncated to (low, high) per entry of ``mean``, float64."""
    from scipy.special import ndtri_exp

    lower, upper, sign = _ends(mean.double(), scale, low, high)
    share = torch.rand(mean.shape, generator=generator, dtype=torch.float64)
    log_level = torch.logaddexp(
        torch.special.log_ndtr(lower) + torch.log1p(-share), torch.special.log_ndtr(upper) + share.log()
    )
    z = torch.from_numpy(ndtri_exp(log_level.numpy()))
    return (mean + scale * sign * z).clamp(low, high)
