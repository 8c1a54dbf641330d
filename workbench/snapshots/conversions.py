"""Conversions between the network's standardised tensors and arrays in data units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.inference.column_values import as_values

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from workbench.training import Run


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Convert a tensor to a float64 array."""
    return tensor.detach().cpu().double().numpy()


def repeat_observation(run: Run, observation: Sequence[float], n: int) -> Tensor | None:
    """Return the standardised observation n times, (n, M) on the run's device; None without y."""
    if not run.data.has_y:
        return None
    row = run.data.standardisation.y_in(torch.tensor([observation], dtype=torch.float64))
    return row.to(run.device, run.dtype).expand(n, -1)


def to_data_units(run: Run, x: Tensor) -> np.ndarray:
    """Convert standardised x (n, D) to an array in data units."""
    return as_values(run.data.standardisation.x_out(x.detach().cpu()), run.problem.x).numpy()


def log_prob_in_data_units(run: Run, points: Tensor, observation: Sequence[float]) -> np.ndarray:
    """Return the model's log-density (n,) at points (n, D) in data units, -inf outside the bounds of x."""
    s = run.data.standardisation
    edges = torch.tensor([v.support for v in run.problem.x], dtype=torch.float64).T
    outside = ((points < edges[0]) | (points > edges[1])).any(1)
    x, volume = s.x_in_with_volume(torch.minimum(torch.maximum(points, edges[0]), edges[1]))
    y = repeat_observation(run, observation, len(points))
    values = run.model.log_prob(x.to(run.device, run.dtype), y).detach().cpu().double() + volume
    return torch.where(outside, -torch.inf, values).numpy()
