"""Samples of a model and of the exact posterior at the same observations.

There are two sets of exact samples: the model is compared with the first, and so is the second, which gives
the value for an exact model. If the model is exact, its samples and the second set are exchangeable given the
first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.core.scale import column_scale
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
    """Samples at the observation with index ``row``: from the model and two exact sets, (n, D) each.

    The model's set has fewer than n rows where some are not finite, as these are left out.
    """

    row: int
    model: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class ReferenceComparison:
    """Samples of the model and of the exact posterior at all observations.

    ``non_finite`` is the fraction of the model's samples that are not finite, ``scale`` (D,) the prior's
    standard deviation.
    """

    data: HeldOutPairs
    sets: tuple[DrawSets, ...]
    non_finite: float
    scale: Tensor

    @property
    def skipped(self) -> int:
        """Number of observations without exact samples or with fewer than two finite samples of the model."""
        return len(self.data.y) - len(self.sets)


def model_and_reference_draws(
    fitted: FittedModel, problem: Problem, observations: int, count: int, seed: int
) -> ReferenceComparison:
    """Draw ``count`` samples of the model, and of each exact set, at each of ``observations`` fresh y.

    All are float64 on the CPU. Observations without a reference posterior, which may be missing in a far
    tail, and those with fewer than two finite model samples are left out.
    """
    from workbench.inference.reference_posteriors import REFERENCES

    data = held_out_pairs(fitted, problem, observations, seed)
    samples = posterior_draws(fitted, data.y, len(data.y), count, seed)
    scale = column_scale(data.x) if len(data.x) > 2 else torch.ones(data.x.shape[1])
    sets = []
    for row, exact in REFERENCES.sets(problem, data.y, 2 * count, seed + 4).items():
        model = samples[row][samples[row].isfinite().all(1)]
        if len(model) >= 2:
            sets.append(DrawSets(row, model, *exact.split(count)))
    return ReferenceComparison(data, tuple(sets), non_finite_share(samples), scale)


def skipped_sentence(comparison: ReferenceComparison) -> str:
    """Return " N observations had no reference.", with its leading space; "" if none was skipped."""
    return f" {comparison.skipped} observations had no reference." if comparison.skipped else ""
