"""Conversions between the network's standardised tensors and arrays in data units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.inference.column_values import as_values
from workbench.inference.fitted_model import FittedModel

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
    model = FittedModel(run.model, run.data.standardisation, run.problem.x, run.problem.y)
    with torch.no_grad():
        return to_numpy(model.log_prob(points, [observation] if run.data.has_y else None))
