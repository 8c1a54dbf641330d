"""The Pekeris waveguide, an even layer of water over an even half-space, from its closed-form Green's
function.

G(z) = 2 sin(γ₁ z_s)/γ₁ · (γ₁ cos γ₁(D - z) - Y sin γ₁(D - z)) / (γ₁ cos γ₁D - Y sin γ₁D),  Y = iγ₂ ρ₁/ρ₂,
for z >= z_s, and p = ∫₀^∞ G J₀(kr) k dk. Gauss-Legendre panels along 0 → -iε → ∞ - iε: no poles are met,
nothing is folded back, and J₀ is exact.
"""

from __future__ import annotations

import numpy as np
from scipy.special import jv

_LOSS = 8685.889638065037


def pressure(
    tone: float, ranges, depths, *, attenuation: float, water: float = 1500.0, bottom: float = 1700.0,
    density: float = 1.8, depth: float = 100.0, source: float = 36.0, offset: float = 2e-3,
) -> np.ndarray:  # fmt: skip
    """Exact pressure (range, depth), complex, for hydrophones below the source."""
    omega = 2 * np.pi * tone
    k, weight = _contour(omega / water + 1.5, offset)
    below = omega / bottom + 1j * attenuation * tone / _LOSS
    first = np.sqrt((omega / water) ** 2 - k**2)
    second = np.sqrt(below**2 - k**2)
    second = np.where(second.imag < 0, -second, second)
    slope = 1j * second / density
    bessel = jv(0, np.asarray(ranges)[:, None] * k) * weight * k
    common = 2 * np.sin(first * source) / first
    common = common / (first * np.cos(first * depth) - slope * np.sin(first * depth))
    rest = depth - np.asarray(depths)[:, None]
    green = common * (first * np.cos(first * rest) - slope * np.sin(first * rest))
    return bessel @ green.T


def _contour(last: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(16)
    edges = [np.linspace(0, -1j * offset, 3), np.arange(0, last, 4e-3) - 1j * offset]
    k, w = [], []
    for path in edges:
        half, middle = 0.5 * np.diff(path)[:, None], 0.5 * (path[1:] + path[:-1])[:, None]
        k.append((middle + half * nodes).ravel())
        w.append((half * weights).ravel())
    return np.concatenate(k), np.concatenate(w)
