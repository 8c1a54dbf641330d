"""Draws of a model beside draws of the exact posterior, observation by observation.

Two sets of exact draws are made: the first is compared with the model, and the second with the first, which
is what an exact model would score. Under the exact posterior the model's draws and the second set are
exchangeable given the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.core.errors import DataError
from workbench.diagnostics.checks.base import Fresh, draws, fresh, lost_share


@dataclass(frozen=True)
class Beside:
    """At one observation, number ``row``: draws of the model and two exact sets, (n, D) each."""

    row: int
    model: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class References:
    """All of them; ``lost`` is the share of the model's draws that are not finite, ``scale`` (D,) the
    prior's standard deviation."""

    data: Fresh
    sets: tuple[Beside, ...]
    lost: float
    scale: Tensor

    @property
    def skipped(self) -> int:
        """Observations in a far tail, where no exact draw can be had in reasonable time."""
        return len(self.data.y) - len(self.sets)


def beside_references(fitted: Any, problem: Any, observations: int, count: int, seed: int) -> References:
    """``count`` draws of each kind at each of ``observations`` fresh observations, float64 on the CPU."""
    data = fresh(fitted, problem, observations, seed)
    drawn = draws(fitted, data.y, len(data.y), count, seed)
    generator = torch.Generator().manual_seed(seed + 4)
    scale = data.x.std(0).clamp(min=1e-12) if len(data.x) > 2 else torch.ones(data.x.shape[1])
    sets = []
    for i, observation in enumerate(data.y):
        try:
            pair = problem.reference_posterior(observation, 2 * count, generator).split(count)
        except DataError:
            continue
        model = drawn[i][drawn[i].isfinite().all(1)]
        if len(model) >= 2:
            sets.append(Beside(i, model, *pair))
    return References(data, tuple(sets), lost_share(drawn), scale)
