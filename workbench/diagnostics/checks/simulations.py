"""Simulations from posterior draws, shared by the checks that need the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.diagnostics.checks.base import HeldOutPairs, dataset

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.problems import Problem


def within_bounds(problem: Problem, samples: Tensor) -> Tensor:
    """Draws (n, L, D) as rows (n L, D) inside the bounds of x.

    Outside its bounds a simulator need not answer: the nearest point inside stands for such a draw.
    """
    low, high = (torch.tensor([getattr(v, end) for v in problem.x]).double() for end in ("low", "high"))
    inside = torch.minimum(torch.maximum(samples.nan_to_num(), low), high)
    return inside.reshape(-1, samples.shape[2])


def no_simulations(data: HeldOutPairs, non_finite: float) -> xr.Dataset:
    """Result of a check for which the simulator answers hardly any draw."""
    return dataset(
        {"non_finite_share": ((), non_finite)},
        verdict="red",
        sentence=f"The simulator has no finite answer to {non_finite:.0%} of the posterior draws.",
        data=data,
    )
