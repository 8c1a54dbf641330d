"""Two half circles that interlock, blurred by Gaussian noise.

Curve:    c₁(t) = (cos πt, sin πt), c₂(t) = (1 - cos πt, 1/2 - sin πt), t uniform on (0, 1),
          each with probability 1/2.
Density:  the curves' Gaussian blur, by quadrature along the arc to float64 accuracy.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS
from workbench.problems.isotropic_mixture import mixture_log_density, node_count, nodes_and_log_weights
from workbench.problems.planar.base import PlanarDensity
from workbench.problems.random_numbers import normal, uniform

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window


def _moons(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the points c₁(t) and c₂(t) of the two half circles, (n, 2) each, for t in (0, 1) (n,)."""
    cosine, sine = torch.cos(math.pi * t), torch.sin(math.pi * t)
    return torch.stack([cosine, sine], 1), torch.stack([1 - cosine, 0.5 - sine], 1)


@lru_cache(maxsize=16)
def _components(noise: float) -> tuple[Tensor, Tensor]:
    """Return centres (k, 2) and log weights (k,) of the mixture that approximates the blurred curves."""
    t, log_weights = nodes_and_log_weights(node_count(math.pi, noise))
    return torch.cat(_moons(t)), torch.cat([log_weights, log_weights]) - math.log(2)


@PROBLEMS.register
class TwoMoons(PlanarDensity):
    """Uniform on two half circles of radius one, plus Gaussian noise."""

    key = "two_moons"
    title = "Two moons"
    summary = "Two interlocking half circles: a density in two parts that are thin and bent."
    reference = "Pedregosa et al. 2011, scikit-learn (the shape); the density is ours"

    noise = param.Number(
        0.1, bounds=(0.02, 0.5), doc="Standard deviation of the Gaussian noise around the half circles."
    )

    @property
    def window(self) -> Window:
        pad = 0.4 + 2.5 * self.noise
        return ((-1 - pad, 2 + pad), (-0.5 - pad, 1 + pad))

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        first, second = _moons(uniform(n, generator))
        upper = uniform(n, generator) < 0.5
        return torch.where(upper[:, None], first, second) + self.noise * normal(n, 2, generator), None

    def _log_density(self, x: Tensor) -> Tensor:
        centres, log_weights = _components(self.noise)
        return mixture_log_density(x, centres, self.noise, log_weights)
