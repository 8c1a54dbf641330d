"""Concentric circles blurred by Gaussian noise.

Density of one circle of radius r, with ρ = |x| and I₀ the modified Bessel function:
    p(x) = exp(-(ρ² + r²) / 2s²) I₀(ρ r / s²) / (2π s²) = exp(-(ρ - r)² / 2s²) i0e(ρ r / s²) / (2π s²).
The circles are weighted by their length, so that all have the same density. Exact, no quadrature.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS
from workbench.problems.planar.base import PlanarDensity
from workbench.problems.random_numbers import normal, uniform
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_OUTER = 3.0


@PROBLEMS.register
class Rings(PlanarDensity):
    """Noisy concentric circles, onto which no continuous bijection of the plane maps one Gaussian exactly."""

    key = "rings"
    title = "Rings"
    summary = (
        "Concentric noisy circles: the topology of the latent does not fit, and one sees where it tears."
    )
    reference = "Grathwohl et al. 2019, arXiv 1810.01367 (the figure); Rice 1945 (the density)"

    rings = param.Integer(3, bounds=(1, 6), doc="Number of circles; the outermost has radius 3.")
    noise = param.Number(
        0.12, bounds=(0.02, 0.5), doc="Standard deviation of the Gaussian noise around the circles."
    )

    @property
    def window(self) -> Window:
        return square(_OUTER + 0.4 + 3 * self.noise)

    def _radii(self) -> Tensor:
        return torch.arange(1, self.rings + 1, dtype=torch.float64) * (_OUTER / self.rings)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        radii = self._radii()
        radius = radii[torch.multinomial(radii, n, replacement=True, generator=generator)]
        angle = 2 * math.pi * uniform(n, generator)
        circle = radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return circle + self.noise * normal(n, 2, generator), None

    def _log_density(self, x: Tensor) -> Tensor:
        radii, variance = self._radii().to(x), self.noise**2
        # the small constant keeps the gradient at the origin finite (it is 0 there by symmetry)
        rho = (x.square().sum(1, keepdim=True) + 1e-30).sqrt()
        radial = -(rho - radii).square() / (2 * variance) - math.log(2 * math.pi * variance)
        logs = radial + torch.special.i0e(rho * radii / variance).log()
        return torch.logsumexp(logs + (radii / radii.sum()).log(), dim=1)
