"""K equal Gaussians on a circle of radius 2: p(x) = 1/K Σ_k N(x; 2 (cos 2πk/K, sin 2πk/K), s² I)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS
from workbench.problems.isotropic_mixture import mixture_draw, mixture_log_density
from workbench.problems.planar.base import PlanarDensity
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_RADIUS = 2.0


@PROBLEMS.register
class EightGaussians(PlanarDensity):
    """Separate modes on a circle: a continuous map of one Gaussian leaves filaments of mass between them."""

    key = "eight_gaussians"
    title = "Eight Gaussians"
    summary = "Eight separate modes on a circle: shows filaments between modes and modes that are dropped."
    reference = "Grathwohl et al. 2019, arXiv 1810.01367 (the figure); exact mixture density"

    modes = param.Integer(8, bounds=(1, 16), doc="Number of Gaussians on the circle.")
    noise = param.Number(0.2, bounds=(0.02, 1.0), doc="Standard deviation of each Gaussian.")

    @property
    def window(self) -> Window:
        return square(_RADIUS + 0.4 + 3 * self.noise)

    def _centres(self) -> Tensor:
        angle = torch.arange(self.modes, dtype=torch.float64) * (2 * math.pi / self.modes)
        return _RADIUS * torch.stack([angle.cos(), angle.sin()], 1)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return mixture_draw(n, self._centres(), self.noise, generator), None

    def _log_density(self, x: Tensor) -> Tensor:
        return mixture_log_density(x, self._centres(), self.noise)
