"""Gaussian arms bent by a rotation whose angle grows with the radius.

Straight:  V = R(2πk/K) (2 + 0.6 e₁, s e₂), e ~ N(0, I), k uniform on 0 … K-1, R(φ) the rotation by φ.
Wound:     x = R(w |V|) V. A rotation by an angle that depends on the radius alone keeps areas (its Jacobian
           has determinant 1), so p(x) = p_V(R(-w |x|) x), a mixture of K Gaussians, exactly.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS
from workbench.problems.planar.base import PlanarDensity
from workbench.problems.random_numbers import normal
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_MIDDLE, _LENGTH = 2.0, 0.6


def _rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Rotate points (n, 2) by angles (n,) in rad, counter-clockwise."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([cosine * x[:, 0] - sine * x[:, 1], sine * x[:, 0] + cosine * x[:, 1]], 1)


def _radius(x: Tensor) -> Tensor:
    # the small constant keeps the gradient at the origin finite
    return (x.square().sum(1) + 1e-30).sqrt()


@PROBLEMS.register
class Pinwheel(PlanarDensity):
    """Gaussian arms wound around the origin: long, thin, bent modes."""

    key = "pinwheel"
    title = "Pinwheel"
    summary = "Gaussian arms wound around the origin: long, thin, bent modes that nearly touch."
    reference = "Johnson et al. 2016, arXiv 1603.06277 (the figure); the area-preserving form is ours"

    arms = param.Integer(5, bounds=(2, 9), doc="Number of arms.")
    twist = param.Number(0.8, bounds=(0.0, 2.0), doc="Winding of the arms, in rad per unit of radius.")
    noise = param.Number(0.15, bounds=(0.05, 0.5), doc="Standard deviation across an arm.")

    @property
    def window(self) -> Window:
        return square(_MIDDLE + 4 * _LENGTH)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        arm = torch.randint(self.arms, (n,), generator=generator) * (2 * math.pi / self.arms)
        noise = normal(n, 2, generator)
        straight = torch.stack([_MIDDLE + _LENGTH * noise[:, 0], self.noise * noise[:, 1]], 1)
        return _rotate(straight, arm.double() + self.twist * _radius(straight)), None

    def _log_density(self, x: Tensor) -> Tensor:
        unwound = _rotate(x, -self.twist * _radius(x))
        angles = torch.arange(self.arms, dtype=torch.float64) * (2 * math.pi / self.arms)
        cosine, sine = angles.cos().to(x), angles.sin().to(x)
        along = unwound[:, :1] * cosine + unwound[:, 1:] * sine
        across = unwound[:, 1:] * cosine - unwound[:, :1] * sine
        squares = ((along - _MIDDLE) / _LENGTH).square() + (across / self.noise).square()
        height = math.log(2 * math.pi * _LENGTH * self.noise * self.arms)
        return torch.logsumexp(-0.5 * squares, dim=1) - height
