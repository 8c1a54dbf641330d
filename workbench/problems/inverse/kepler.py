"""Kepler's equation for many orbits at once, and the radial velocity of a star with a planet.

Kepler:     M = E - e sin E: mean anomaly M, eccentric anomaly E, eccentricity 0 <= e < 1.
Solver:     for M in [0, π] the residual is convex and increases with E, and M + e is never below the root,
            so that Newton's method from there converges monotonically: 5 steps for e = 0.8, 12 for e = 0.999.
Gradient:   autograd records two more Newton steps, from the root as a constant. The first gives the first
            derivative, dE = (dM + sin E de)/(1 - e cos E), the second one the second: each step doubles the
            order to which the root is correct.
Velocity:   v = K (cos(ν + ω) + e cos ω), true anomaly ν with cos ν = (cos E - e)/(1 - e cos E) and
            sin ν = √(1 - e²) sin E/(1 - e cos E).
Source:     Murray & Correia 2010, Keplerian Orbits and Dynamics of Exoplanets, arXiv 1009.1738, eqs. 30 to
            66.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


_MAX_STEPS = 60


def eccentric_anomaly(mean_anomaly: Tensor, eccentricity: Tensor) -> Tensor:
    """Return the eccentric anomaly E in rad, E - e sin E = M, for any M in rad.

    Twice differentiable. Outside [0, 1) of ``eccentricity`` the result is meaningless; shapes broadcast.
    """
    turns = torch.round(mean_anomaly.detach() / (2 * math.pi)) * (2 * math.pi)
    remainder = mean_anomaly - turns
    with torch.no_grad():
        root = _root(*torch.broadcast_tensors(remainder.abs(), eccentricity)) * torch.sign(remainder)
    for _ in range(2):
        root = root - (root - eccentricity * root.sin() - remainder) / (1 - eccentricity * root.cos())
    return root + turns


def _root(mean: Tensor, eccentricity: Tensor) -> Tensor:
    """Return the eccentric anomalies E of mean anomalies M in [0, π] by Newton's method from above."""
    root = torch.minimum(mean + eccentricity, torch.full_like(mean, math.pi))
    for _ in range(_MAX_STEPS):
        step = (root - eccentricity * root.sin() - mean) / (1 - eccentricity * root.cos())
        root = root - step
        if not bool((step.abs() > torch.finfo(root.dtype).eps ** 0.5).any()):
            break  # convergence is quadratic: the next step would be below the rounding error
    return root


def velocity_parts(mean_anomaly: Tensor, eccentricity: Tensor) -> tuple[Tensor, Tensor]:
    """Return a = cos ν + e and b = -sin ν, ν the true anomaly: the velocity is K (a cos ω + b sin ω)."""
    anomaly = eccentric_anomaly(mean_anomaly, eccentricity)
    distance = 1 - eccentricity * anomaly.cos()
    first = (anomaly.cos() - eccentricity) / distance + eccentricity
    return first, -(1 - eccentricity.square()).sqrt() * anomaly.sin() / distance
