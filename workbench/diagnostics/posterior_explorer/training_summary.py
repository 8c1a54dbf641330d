"""What a model has seen: pairs of its problem, the ranges of y, and the windows in which x is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from workbench.core.errors import WorkbenchError
from workbench.inference.out_of_distribution import Typicality, concerns

#: Pairs that stand for what the model was trained on.
_PAIRS = 2000
_MOST_NAMED = 3
_ROOM = 0.05


class Seen:
    """Pairs x (n, D), y (n, M) like those of the training, in data units; empty where the problem is not
    here.

    A problem that draws gives fresh ones; of a table the rows that were kept out of the training.
    """

    ROWS = 1000

    def __init__(self, fitted: Any, problem: Any) -> None:
        self.fitted, self.note = fitted, ""
        self.x, self.y = np.empty((0, len(fitted.x))), np.empty((0, len(fitted.y)))
        try:
            if problem is not None:
                self.x, self.y = _pairs(fitted, problem)
        except WorkbenchError as error:
            self.note = str(error)
            problem = None
        units = {
            name: value.double().cpu().numpy() for name, value in fitted.standardisation.state_dict().items()
        }
        self._middle, self._scale = units["shift_y"], units["scale_y"]
        known = getattr(fitted, "typicality", None)  # files of version 1 do not carry it
        rows = torch.from_numpy((self.y - self._middle) / self._scale)
        half = len(rows) // 2
        self._typicality = known or Typicality.split(rows[:half], rows[half:])
        self._reach = self._reached()
        if problem is None:
            self.note = (
                self.note or "The problem of this model is not here: no prior, no simulator, no reference."
            )
            self.window = _around(units["shift_x"], units["scale_x"])
            self.observation_window = _around(self._middle, self._scale)
            self.default_observation = tuple(float(v) for v in self._middle)
        else:
            self.window = tuple((float(a), float(b)) for a, b in problem.window)
            self.observation_window = tuple((float(a), float(b)) for a, b in problem.observation_window)
            self.default_observation = tuple(float(v) for v in problem.default_observation)

    def warnings(self, observation: tuple[float, ...]) -> list[str]:
        """Sentences about an observation unlike those of the training; empty for a usual one."""
        shift, scale = torch.from_numpy(self._middle), torch.from_numpy(self._scale)
        doubts = concerns(observation, self.fitted.y, shift, scale, self._typicality)
        return [*self._outside(np.asarray(observation)), *doubts]

    def _reached(self) -> tuple[np.ndarray, np.ndarray]:
        """From where to where the training's observations go, in data units."""
        if len(self.y):
            low, high = self.y.min(0), self.y.max(0)
        elif self._typicality is not None:
            ends = (end.numpy() for end in self._typicality.reach)
            low, high = (self._middle + self._scale * end for end in ends)
        else:
            return self._middle - 5 * self._scale, self._middle + 5 * self._scale
        # the training has seen more pairs than these, and somewhat farther out
        return low - _ROOM * (high - low), high + _ROOM * (high - low)

    def _outside(self, at: np.ndarray) -> list[str]:
        low, high = self._reach
        outside = np.flatnonzero((at < low) | (at > high))
        if not len(outside):
            return []
        named = [
            f"{self.fitted.y[i].name} = {at[i]:.4g} (usual: {low[i]:.3g} to {high[i]:.3g})"
            for i in outside[:_MOST_NAMED]
        ]
        more = f" and {len(outside) - _MOST_NAMED} more" if len(outside) > _MOST_NAMED else ""
        return [
            f"Outside what the network has seen in training: {', '.join(named)}{more}. "
            "It extrapolates there, and its posterior means little."
        ]


def _around(middle: np.ndarray, scale: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((float(m - 4 * s), float(m + 4 * s)) for m, s in zip(middle, scale, strict=True))


def _pairs(fitted: Any, problem: Any) -> tuple[np.ndarray, np.ndarray]:
    if not hasattr(problem, "rows"):
        drawn = problem.draw(_PAIRS, torch.Generator().manual_seed(20_011))
        return drawn.x.double().numpy(), drawn.y.double().numpy()
    from workbench.diagnostics.checks.base import fresh

    found = fresh(fitted, problem, _PAIRS, 20_011)
    return found.x.numpy(), found.y.numpy()
