"""Maps from the real line to the circle, and from the circle to a standard normal latent.

to circle θ = π tanh(k u), k = π / (2√3): a logistic variable of variance one becomes uniform on the circle
log-det   log(π k) − 2 log cosh(k u)
inverse   u = artanh(θ / π) / k
to normal z = Φ⁻¹((1 + θ/π) / 2) = √2 erf⁻¹(θ / π);  log-det  ½ log(π/2) − log π + z²/2
inverse   θ = π erf(z / √2)
Source: this project; circular flows after Rezende et al. 2020, Flows on Tori and Spheres, arXiv:2002.02428.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import softplus

from workbench.bijections.transform import ScalarTransform

RATE = math.pi / (2 * math.sqrt(3))


def _inside(part: Tensor) -> Tensor:
    """Clamp θ/π to within (−1, 1), since atanh and erf⁻¹ are infinite at ±1."""
    end = 1.0 - torch.finfo(part.dtype).eps
    return part.clamp(-end, end)


class OntoCircleTransform(ScalarTransform):
    """Map θ = π tanh(k u) from the real line to the angle on a circle, elementwise."""

    codomain = constraints.interval(-math.pi, math.pi)

    def _call(self, u: Tensor) -> Tensor:
        return math.pi * torch.tanh(RATE * u)

    def _inverse(self, v: Tensor) -> Tensor:
        return torch.atanh(_inside(v / math.pi)) / RATE

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        size = (RATE * u).abs()
        return math.log(math.pi * RATE) + 2 * (math.log(2.0) - size - softplus(-2 * size))


class CircleToNormalTransform(ScalarTransform):
    """Map z = √2 erf⁻¹(θ / π) from a uniform angle to a standard normal number, elementwise."""

    domain = constraints.interval(-math.pi, math.pi)

    def _call(self, u: Tensor) -> Tensor:
        return math.sqrt(2.0) * torch.erfinv(_inside(u / math.pi))

    def _inverse(self, v: Tensor) -> Tensor:
        return math.pi * torch.erf(v / math.sqrt(2.0))

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return 0.5 * math.log(0.5 * math.pi) - math.log(math.pi) + 0.5 * v.square()
