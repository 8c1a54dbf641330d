"""The fixed points with which a run is looked at, so that what moves on the screen is learning.

They are drawn once from the seed. What is dear to measure is kept, so that a live page does not slow the
training down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from workbench.core.errors import WorkbenchError

POINTS, PROBED, LATTICE, GRID, ARMS = 1000, 128, 21, 64, 60
#: Of a live page, what is dear gets at most this share of the time.
_SHARE = 0.2


class EvaluationPoints:
    """The fixed points with which a run is looked at, drawn once from its seed."""

    def __init__(self, run) -> None:
        generator = torch.Generator().manual_seed(run.experiment.seed + 3)
        data, model, problem = run.data, run.model, run.problem
        held_out = data.held_out(POINTS, 0.0)
        if len(held_out) < POINTS:  # small tables: look at training points too
            more = data.train_x[: POINTS - len(held_out)], data.train_y[: POINTS - len(held_out)]
            self.x = torch.cat([held_out.x, more[0]])
            self.y = torch.cat([held_out.y, more[1]]) if data.has_y else None
        else:
            self.x, self.y = held_out.x, held_out.y
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
        self._references: dict[tuple[float, ...], np.ndarray | WorkbenchError] = {}
        self._target: np.ndarray | None = None
        self.evidence: torch.Tensor | None = None
        self._measured: dict[str, tuple[int, float, float, Any]] = {}

    def reference(self, problem, observation: tuple[float, ...], seed: int) -> np.ndarray:
        """The reference posterior at an observation (data units), computed once and kept.

        Raises the `WorkbenchError` of a problem that has none there; the search for it is not repeated.
        """
        if observation not in self._references:
            if len(self._references) > 50:
                self._references.clear()
            generator = torch.Generator().manual_seed(seed + 4)
            at = torch.tensor(observation, dtype=torch.float64)
            try:
                self._references[observation] = problem.reference_posterior(at, POINTS, generator).numpy()
            except WorkbenchError as error:
                self._references[observation] = error
        found = self._references[observation]
        if isinstance(found, WorkbenchError):
            raise found
        return found

    def density_axes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Cell centres of the density grid in data units."""
        axes = []
        for low, high in self.window[:2]:
            edges = torch.linspace(low, high, GRID + 1, dtype=torch.float64)
            axes.append(0.5 * (edges[1:] + edges[:-1]))
        return axes[0], axes[1]

    def target_density(self, problem, points: torch.Tensor) -> np.ndarray:
        if self._target is None:
            self._target = problem.log_density(points).exp().reshape(GRID, GRID).numpy()
        return self._target

    def cached_expensive(self, view: str, iteration: int, measure: Callable[[], Any], *, fresh: bool) -> Any:
        """``measure()``, or what it gave last: when nothing was learned since, or, unless ``fresh``, when it
        would take more than its share of the time."""
        kept = self._measured.get(view)
        if kept is not None:
            when, ended, cost, found = kept
            if when == iteration or (not fresh and time.monotonic() - ended < cost * (1 / _SHARE - 1)):
                return found
        begun = time.monotonic()
        found = measure()
        ended = time.monotonic()
        self._measured[view] = iteration, ended, ended - begun, found
        return found
