"""Summary of a model's training data: example pairs, the range of observations, and plotted ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import WorkbenchError
from workbench.core.kinds_of_values import value_text
from workbench.core.lazy import torch
from workbench.diagnostics.checks.base import held_out_pairs

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.inference.out_of_distribution import Typicality
    from workbench.problems import Problem

    Windows = tuple[tuple[float, float], ...]

#: Number of pairs (x, y) that represent the training data.
_PAIRS = 2000
_PAIR_SEED = 20_011
#: Largest number of components that are named in a warning.
_MOST_NAMED = 3
#: Margin on both sides of the range of observations, as a fraction of its length.
_MARGIN = 0.05


class TrainingSummary:
    """Pairs x (n, D), y (n, M) distributed like the training data, in data units, and ranges of both.

    The pairs are simulated anew, or the held-out rows of a table; empty where the problem is not available
    (``note`` then says why). ``window`` and ``observation_window`` are plotted ranges (low, high) of x and y.
    """

    #: Number of pairs whose observations are offered as examples.
    ROWS = 1000

    def __init__(self, fitted: FittedModel, problem: Problem | None) -> None:
        self.fitted, self.note = fitted, ""
        self.x, self.y = np.empty((0, len(fitted.x))), np.empty((0, len(fitted.y)))
        try:
            if problem is not None:
                self.x, self.y = _pairs(fitted, problem)
        except WorkbenchError as error:
            self.note = str(error)
            problem = None
        units = fitted.standardisation
        self._typicality = self._reference_observations()
        self._range = self._observation_range()
        if problem is None:
            self.note = (
                self.note or "The problem of this model is not here: no prior, no simulator, no reference."
            )
            self.window = _pairs_of(units.window_x(4.0))
            self.observation_window = _pairs_of(units.window_y(4.0))
            self.default_observation = tuple(units.window_y(0.0)[:, 0].tolist())
        else:
            self.window = tuple((float(a), float(b)) for a, b in problem.window)
            self.observation_window = tuple((float(a), float(b)) for a, b in problem.observation_window)
            self.default_observation = tuple(float(v) for v in problem.default_observation)

    def warnings(self, observation: tuple[float, ...]) -> list[str]:
        """List the ways in which an observation is unlike the training data, one sentence each."""
        from workbench.inference.out_of_distribution import concerns

        units = self.fitted.standardisation
        row = units.y_in(torch.tensor([observation], dtype=torch.float64))
        doubts = concerns(observation, self.fitted.y, *units.moments_y(), self._typicality, row)
        return [*self._outside(np.asarray(observation)), *doubts]

    def _reference_observations(self) -> Typicality | None:
        from workbench.inference.out_of_distribution import Typicality

        typicality = getattr(self.fitted, "typicality", None)  # files of version 1 do not carry it
        rows = self.fitted.standardisation.y_in(torch.from_numpy(self.y))
        half = len(rows) // 2
        return typicality or Typicality.split(rows[:half], rows[half:])

    def _observation_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and largest value (M,) of each component of y in training, with a margin.

        In data units; estimated from mean and standard deviation where no training observations are known.
        """
        if len(self.y):
            low, high = self.y.min(0), self.y.max(0)
        elif self._typicality is not None:
            units = self.fitted.standardisation
            ends = [units.y_out(end[None].cpu())[0].numpy() for end in self._typicality.reach]
            low, high = np.minimum(*ends), np.maximum(*ends)
        else:
            low, high = self.fitted.standardisation.window_y(5.0).cpu().numpy().T
            return low, high
        # the training data are more numerous than these pairs, and reach a little further
        return low - _MARGIN * (high - low), high + _MARGIN * (high - low)

    def _component(self, i: int, value: float, low: float, high: float) -> str:
        variable = self.fitted.y[i]
        text, least, most = (
            value_text(variable, number, unit=False, spread=high - low) for number in (value, low, high)
        )
        return f"{variable.name} = {text} (usual: {least} to {most})"

    def _outside(self, values: np.ndarray) -> list[str]:
        low, high = self._range
        outside = np.flatnonzero((values < low) | (values > high))
        if not len(outside):
            return []
        components = [self._component(i, values[i], low[i], high[i]) for i in outside[:_MOST_NAMED]]
        more = f" and {len(outside) - _MOST_NAMED} more" if len(outside) > _MOST_NAMED else ""
        return [
            f"Outside what the network has seen in training: {', '.join(components)}{more}. "
            "It extrapolates there, and its posterior means little."
        ]


def _pairs_of(window: Tensor) -> Windows:
    """Return ranges (n, 2) as pairs of numbers (low, high)."""
    return tuple((low, high) for low, high in window.tolist())


def _pairs(fitted: FittedModel, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    pairs = held_out_pairs(fitted, problem, _PAIRS, _PAIR_SEED)
    return pairs.x.numpy(), pairs.y.numpy()
