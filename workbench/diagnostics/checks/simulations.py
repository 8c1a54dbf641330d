"""Helpers of the checks that pass posterior draws through the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.diagnostics.checks.base import HeldOutPairs, dataset

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.problems import Problem


def within_bounds(problem: Problem, samples: Tensor) -> Tensor:
    """Reshape draws (n, L, D) to rows (n L, D), clipped to the bounds of x, where the simulator is defined.

    NaN becomes 0 before.
    """
    low, high = (torch.tensor([getattr(v, end) for v in problem.x]).double() for end in ("low", "high"))
    inside = torch.minimum(torch.maximum(samples.nan_to_num(), low), high)
    return inside.reshape(-1, samples.shape[2])


def no_simulations(data: HeldOutPairs, non_finite: float) -> xr.Dataset:
    """Return the red result of a check for which hardly any draw has a finite simulation."""
    return dataset(
        {"non_finite_share": ((), non_finite)},
        verdict="red",
        sentence=f"The simulator has no finite answer to {non_finite:.0%} of the posterior draws.",
        data=data,
        p_value=0.0,
    )
