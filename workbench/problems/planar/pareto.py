"""Two independent Pareto variables, with tail index α and smallest value m: tails that fall like a power.

Density   p(x) = Π_i α m^α / x_i^(α+1) for x_i ≥ m, zero below; E x_i^k is finite for k < α only
Draws     x_i = m u^(−1/α), u uniform on (0, 1]
Median    m 2^(1/α);   E|x_i − median| = m α (2^(1/α) − 1) / (α − 1) for α > 1, infinite otherwise
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.numbered_variables import numbered

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

#: Probability that a component of x lies within the plot limits.
SHARE_IN_WINDOW = 0.98


@PROBLEMS.register
class Pareto(Problem):
    """Two independent Pareto variables, whose heavy tails fall like a power."""

    key = "pareto"
    title = "Pareto tails"
    summary = "Two independent variables whose tails fall like a power: no flow of a Gaussian has such tails."
    reference = "Pareto 1896, Cours d'économie politique; VINA, arXiv 2602.20480, section 4.1.6"

    alpha = param.Number(3.0, bounds=(0.5, 50.0), doc="Tail index α: moments of order below α are finite.")
    minimum = param.Number(1.0, bounds=(1e-3, 1e3), doc="Smallest value m.")

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", 2, low=self.minimum)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.LOG_DENSITY})

    @property
    def window(self) -> Window:
        high = self.minimum * (1 - SHARE_IN_WINDOW) ** (-1 / self.alpha)
        return ((self.minimum - 0.1 * (high - self.minimum), high),) * 2

    def absolute_deviation(self) -> float:
        """Return the mean distance of a component from its median, E|x_i − median|; infinite for α ≤ 1."""
        if self.alpha <= 1:
            return math.inf
        return self.minimum * self.alpha * (2 ** (1 / self.alpha) - 1) / (self.alpha - 1)

    def quantile(self, share: float) -> float:
        """Return the value that a component of x stays below with the probability ``share``."""
        return self.minimum * (1 - share) ** (-1 / self.alpha)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        u = 1 - torch.rand(n, 2, generator=generator, dtype=torch.float64)
        return self.minimum * u.pow(-1 / self.alpha), None

    def _log_density(self, x: Tensor) -> Tensor:
        inside = (x >= self.minimum).all(1)
        # keeps the gradient finite where the density is zero
        safe = torch.where(x >= self.minimum, x, self.minimum)
        constant = math.log(self.alpha) + self.alpha * math.log(self.minimum)
        value = (constant - (self.alpha + 1) * safe.log()).sum(1)
        return torch.where(inside, value, -math.inf)
