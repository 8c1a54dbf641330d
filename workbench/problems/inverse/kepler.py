"""Kepler's equation for many orbits at once, and the velocity of a star that a planet pulls along.

Kepler:     M = E - e sin E: mean anomaly M, eccentric anomaly E, eccentricity 0 <= e < 1.
Solver:     on half a turn the difference is convex and rises with E, and M + e is never left of the root,
            so that Newton's steps from there come down to it and cannot miss: 5 steps for e = 0.8, 12 for
            e = 0.999.
Gradient:   two more of Newton's steps, from the root as a constant, stand on the graph. The first gives the
            first derivative, dE = (dM + sin E de)/(1 - e cos E), the second the second one: each step doubles
            the order to which a root is right.
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


_MOST_STEPS = 60


def eccentric_anomaly(mean_anomaly: Tensor, eccentricity: Tensor) -> Tensor:
    """E in rad with E - e sin E = M for M in rad of any size; shapes broadcast, differentiable twice.

    ``eccentricity`` lies in [0, 1); outside, the result means nothing.
    """
    turns = torch.round(mean_anomaly.detach() / (2 * math.pi)) * (2 * math.pi)
    reduced = mean_anomaly - turns
    with torch.no_grad():
        root = _root(*torch.broadcast_tensors(reduced.abs(), eccentricity)) * torch.sign(reduced)
    for _ in range(2):
        root = root - (root - eccentricity * root.sin() - reduced) / (1 - eccentricity * root.cos())
    return root + turns


def _root(mean: Tensor, eccentricity: Tensor) -> Tensor:
    """E for M in [0, π], from the right."""
    found = torch.minimum(mean + eccentricity, torch.full_like(mean, math.pi))
    for _ in range(_MOST_STEPS):
        step = (found - eccentricity * found.sin() - mean) / (1 - eccentricity * found.cos())
        found = found - step
        if not bool((step.abs() > torch.finfo(found.dtype).eps ** 0.5).any()):
            break  # the next step would be of the size of the square
    return found


def velocity_parts(mean_anomaly: Tensor, eccentricity: Tensor) -> tuple[Tensor, Tensor]:
    """(cos ν + e, -sin ν): for semi-amplitude K and argument ω, v = K cos ω · first + K sin ω · second."""
    anomaly = eccentric_anomaly(mean_anomaly, eccentricity)
    distance = 1 - eccentricity * anomaly.cos()
    first = (anomaly.cos() - eccentricity) / distance + eccentricity
    return first, -(1 - eccentricity.square()).sqrt() * anomaly.sin() / distance
