"""Fixed data and latents at which a run is evaluated for its snapshots, drawn once from the seed.

Changes between snapshots then come from learning alone. Results of expensive views are cached, so that a live
page does not slow the training down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from workbench.problems.base import Problem
    from workbench.training.run import Run

Result = TypeVar("Result")

POINTS, PROBED, LATTICE, GRID, ARMS = 1000, 128, 21, 64, 60
#: Upper bound on the fraction of wall time spent on expensive views while a page is live.
_SHARE = 0.2


class EvaluationPoints:
    """Data, latents and grids that all snapshots of a run share, drawn once from its seed.

    ``x`` (n, D), ``y`` (n, M) or None and ``z`` (n, K) are in the network's units. ``window`` and
    ``observation_window`` are the plotted ranges of x and y, in data units; ``lattice`` (LATTICE², K) is a
    grid over the first two latent dimensions.
    """

    def __init__(self, run: Run) -> None:
        generator = torch.Generator().manual_seed(run.experiment.seed + 3)
        data, model, problem = run.data, run.model, run.problem
        held_out = data.held_out(POINTS, 0.0)
        self.x, self.y = held_out.x, held_out.y
        if len(held_out) < POINTS:  # small tables: use training points too
            missing = POINTS - len(held_out)
            self.x = torch.cat([self.x, data.train_x[:missing]])
            self.y = None if self.y is None else torch.cat([self.y, data.train_y[:missing]])
        n = len(self.x)
        self.z = torch.randn(n, model.latent_features, generator=generator, dtype=torch.float64).to(
            run.device, run.dtype
        )
        self.window = tuple(tuple(float(v) for v in w) for w in problem.window)
        self.observation_window = (
            tuple(tuple(float(v) for v in w) for w in problem.observation_window) if data.has_y else ()
        )
        side = torch.linspace(-3, 3, LATTICE, dtype=torch.float64)
        lattice = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
        self.lattice = torch.zeros(len(lattice), max(2, model.latent_features), dtype=torch.float64)
        self.lattice[:, :2] = lattice
        self.lattice = self.lattice[:, : model.latent_features].to(run.device, run.dtype)
        self._target: np.ndarray | None = None
        self.evidence: torch.Tensor | None = None
        self._cache: dict[str, tuple[int, float, float, Any]] = {}

    def reference(self, problem: Problem, observation: tuple[float, ...], seed: int) -> np.ndarray:
        """Return samples (POINTS, D) of the reference posterior at an observation in data units, cached.

        Raises the `WorkbenchError` of a problem that has no reference posterior at this observation; the
        error is cached as well.
        """
        from workbench.inference.reference_posteriors import REFERENCES

        return REFERENCES.draws(problem, observation, POINTS, seed + 4).numpy()

    def density_axes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the cell centres of the density grid along both axes, (GRID,) each, in data units."""
        axes = []
        for low, high in self.window[:2]:
            edges = torch.linspace(low, high, GRID + 1, dtype=torch.float64)
            axes.append(0.5 * (edges[1:] + edges[:-1]))
        return axes[0], axes[1]

    def target_density(self, problem: Problem, points: torch.Tensor) -> np.ndarray:
        """Return the problem's density (GRID, GRID) at points (GRID², D) of the density grid, cached."""
        if self._target is None:
            self._target = problem.log_density(points).exp().reshape(GRID, GRID).numpy()
        return self._target

    def cached_expensive(
        self, view: str, iteration: int, measure: Callable[[], Result], *, fresh: bool
    ) -> Result:
        """Return ``measure()`` for a view, or its latest result where that is recent enough.

        The latest result is returned again at the same iteration and, unless ``fresh``, for so long that
        measuring takes at most the fraction `_SHARE` of the wall time.
        """
        if view in self._cache:
            last, end, cost, result = self._cache[view]
            if last == iteration or (not fresh and time.monotonic() - end < cost * (1 / _SHARE - 1)):
                return result
        start = time.monotonic()
        result = measure()
        end = time.monotonic()
        self._cache[view] = iteration, end, end - start, result
        return result
