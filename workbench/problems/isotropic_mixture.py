"""Isotropic Gaussian mixtures, and curves blurred by Gaussian noise, which quadrature reduces to mixtures.

Density:    p(x) = Σ_k w_k N(x; c_k, s² I), Σ_k w_k = 1.
Curve:      p(x) = ∫ N(x; c(t), s² I) dt over (0, 1) ≈ Σ_k w_k N(x; c(t_k), s² I),
            with nodes t_k and weights w_k of Gauss-Legendre quadrature.
Error:      near the curve, relative to p, about exp(-2π² s² / h²) for nodes h apart: 3e-18 for h = 0.7 s.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

_CELLS = 4_000_000  # pairs of point and centre in memory at a time, 32 MB in float64
_PANEL = 32


def mixture_log_density(
    x: Tensor, centres: Tensor, scale: float, log_weights: Tensor | None = None
) -> Tensor:
    """Return the log density (n,) in nats of a Gaussian mixture at ``x`` (n, d), differentiable.

    The mixture has ``centres`` (k, d), standard deviation ``scale`` and log weights (k,), equal by default.
    """
    centres = centres.to(x)
    if log_weights is None:
        log_weights = centres.new_full((len(centres),), -math.log(len(centres)))
    log_weights = log_weights.to(x) - math.log(2 * math.pi * scale**2)
    rows = max(1, _CELLS // len(centres))
    return torch.cat([_block(part, centres, scale, log_weights) for part in x.split(rows)])


def _block(x: Tensor, centres: Tensor, scale: float, log_weights: Tensor) -> Tensor:
    # differences, not the expanded square: that would cancel to 1e-3 nats in float32
    squares = sum((x[:, i, None] - centres[:, i]).div(scale).square() for i in range(x.shape[1]))
    return torch.logsumexp(log_weights - 0.5 * squares, dim=1)


def mixture_draw(n: int, centres: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    """Draw ``n`` points (n, d), float64, from Gaussians around ``centres`` (k, d) with equal weights."""
    component = torch.randint(len(centres), (n,), generator=generator)
    return centres.to(torch.float64)[component] + scale * normal(n, centres.shape[1], generator)


def normal(n: int, columns: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal numbers (n, columns), float64."""
    return torch.randn(n, columns, generator=generator, dtype=torch.float64)


def uniform(n: int, generator: torch.Generator) -> Tensor:
    """Draw ``n`` uniform numbers in [0, 1), float64."""
    return torch.rand(n, generator=generator, dtype=torch.float64)


@lru_cache(maxsize=64)
def nodes_and_log_weights(n: int) -> tuple[Tensor, Tensor]:
    """Return at least ``n`` Gauss-Legendre nodes on (0, 1) and the logarithms of weights that sum to one."""
    # in panels of 32 nodes, since the nodes of one rule with thousands of them take minutes to compute
    panels = max(1, math.ceil(n / _PANEL))
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(_PANEL))
    starts = torch.arange(panels, dtype=torch.float64)[:, None]
    return ((starts + 0.5 * (nodes + 1)) / panels).flatten(), (0.5 * weights / panels).log().repeat(panels)


def node_count(length: float, scale: float) -> int:
    """Return a number of quadrature nodes on a curve, |dc/dt| <= ``length``, at most 0.7 ``scale`` apart."""
    # the widest gap between nodes is about π/2 · 1/n
    return max(16, math.ceil(math.pi / 2 * length / (0.7 * scale)))
