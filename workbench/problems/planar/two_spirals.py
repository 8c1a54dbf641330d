"""Two spirals that start together and wind around each other, blurred by Gaussian noise.

Curve:    c±(s) = ±3 s (cos 2πTs, sin 2πTs), s in (0, 1) with density 2s (nearly even along the curve), each
          sign with probability 1/2, T turns.
Density:  the curves' Gaussian blur, by quadrature in s to float64 accuracy.
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
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_OUTER = 3.0


def _arm(s: Tensor, turns: float) -> Tensor:
    """Return the points (n, 2) of the first spiral at curve parameters ``s`` (n,) in (0, 1)."""
    angle = 2 * math.pi * turns * s
    return _OUTER * s[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


@lru_cache(maxsize=16)
def _components(turns: float, noise: float) -> tuple[Tensor, Tensor]:
    """Return centres (k, 2) and log weights (k,) of the mixture that approximates the blurred curves."""
    speed = _OUTER * math.hypot(1, 2 * math.pi * turns)  # at the outer end, where it is greatest
    s, log_weights = nodes_and_log_weights(node_count(speed, noise))
    arm, log_weights = _arm(s, turns), log_weights + s.log()  # density 2s, then half for each arm
    return torch.cat([arm, -arm]), torch.cat([log_weights, log_weights])


@PROBLEMS.register
class TwoSpirals(PlanarDensity):
    """Two spirals wound around each other, plus Gaussian noise: long thin curves, close to each other."""

    key = "two_spirals"
    title = "Two spirals"
    summary = "Two spirals wound around each other: a long thin density that must be unrolled."
    reference = "Lang & Witbrock 1988 (the shape); the density is ours"

    turns = param.Number(1.5, bounds=(0.5, 3.0), doc="Number of turns that each spiral makes.")
    noise = param.Number(
        0.1, bounds=(0.03, 0.5), doc="Standard deviation of the Gaussian noise around the spirals."
    )

    @property
    def window(self) -> Window:
        return square(_OUTER + 0.4 + 3 * self.noise)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        arm = _arm(uniform(n, generator).sqrt(), self.turns)
        sign = torch.where(uniform(n, generator) < 0.5, 1.0, -1.0).double()
        return sign[:, None] * arm + self.noise * normal(n, 2, generator), None

    def _log_density(self, x: Tensor) -> Tensor:
        centres, log_weights = _components(self.turns, self.noise)
        return mixture_log_density(x, centres, self.noise, log_weights)
