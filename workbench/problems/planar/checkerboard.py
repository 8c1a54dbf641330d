"""Uniform on every other square of a board: p(x) = 1 / (total area of these squares), 0 elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS
from workbench.problems.planar.base import PlanarDensity
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_HALF_WIDTH = 4.0


@PROBLEMS.register
class Checkerboard(PlanarDensity):
    """Uniform density on every other square of a board, with sharp edges and touching corners."""

    key = "checkerboard"
    title = "Checkerboard"
    summary = "Uniform on every other square of a board: sharp edges, and no mass at all between them."
    reference = "Grathwohl et al. 2019, arXiv 1810.01367 (the figure); exact uniform density"

    squares = param.Integer(4, bounds=(2, 8), doc="Number of squares along each side of the board.")

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.LOG_DENSITY})

    @property
    def window(self) -> Window:
        return square(_HALF_WIDTH + 0.4)

    @property
    def _edge(self) -> float:
        """Length of the side of one square."""
        return 2 * _HALF_WIDTH / self.squares

    @property
    def _dark_squares(self) -> int:
        """Number of squares on which the density is positive."""
        return (self.squares**2 + 1) // 2

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        # squares with mass, row by row: every other one, shifted by one in odd rows
        board = torch.arange(self.squares**2).reshape(self.squares, self.squares)
        row, column = board // self.squares, board % self.squares
        dark = torch.stack([column, row], -1)[(row + column) % 2 == 0]
        corner = dark[torch.randint(self._dark_squares, (n,), generator=generator)]
        inside = torch.rand(n, 2, generator=generator, dtype=torch.float64)
        return (corner + inside) * self._edge - _HALF_WIDTH, None

    def _log_density(self, x: Tensor) -> Tensor:
        cell = torch.floor((x.detach() + _HALF_WIDTH) / self._edge)
        inside = ((cell >= 0) & (cell < self.squares)).all(1) & (cell.sum(1) % 2 == 0)
        height = -math.log(self._dark_squares * self._edge**2)
        return torch.where(inside, x.new_tensor(height), x.new_tensor(-math.inf))
