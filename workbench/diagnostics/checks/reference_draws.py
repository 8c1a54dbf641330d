"""Draws of a model beside draws of the exact posterior, observation by observation.

Two sets of exact draws are made: the first is compared with the model, and the second with the first, which
is what an exact model would score. Under the exact posterior the model's draws and the second set are
exchangeable given the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.diagnostics.checks.base import (
    HeldOutPairs,
    held_out_pairs,
    non_finite_share,
    posterior_draws,
)

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem


@dataclass(frozen=True)
class DrawSets:
    """At observation number ``row``: draws of the model and two exact sets, (n, D) each."""

    row: int
    model: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class ReferenceComparison:
    """Draws at all observations.

    ``non_finite`` is the share of the model's draws that are not finite, ``scale`` (D,) the prior's standard
    deviation.
    """

    data: HeldOutPairs
    sets: tuple[DrawSets, ...]
    non_finite: float
    scale: Tensor

    @property
    def skipped(self) -> int:
        """Number of observations in a far tail, where exact draws take too long."""
        return len(self.data.y) - len(self.sets)


def model_and_reference_draws(
    fitted: FittedModel, problem: Problem, observations: int, count: int, seed: int
) -> ReferenceComparison:
    """``count`` draws of each kind at each of ``observations`` fresh observations, float64 on the CPU."""
    from workbench.inference.reference_posteriors import REFERENCES

    data = held_out_pairs(fitted, problem, observations, seed)
    samples = posterior_draws(fitted, data.y, len(data.y), count, seed)
    scale = data.x.std(0).clamp(min=1e-12) if len(data.x) > 2 else torch.ones(data.x.shape[1])
    sets = []
    for row, exact in REFERENCES.sets(problem, data.y, 2 * count, seed + 4).items():
        model = samples[row][samples[row].isfinite().all(1)]
        if len(model) >= 2:
            sets.append(DrawSets(row, model, *exact.split(count)))
    return ReferenceComparison(data, tuple(sets), non_finite_share(samples), scale)


def skipped_sentence(comparison: ReferenceComparison) -> str:
    """Sentence on observations without a reference, after a space; empty if there are none."""
    return f" {comparison.skipped} observations had no reference." if comparison.skipped else ""
