"""Conversions between the network's standardised tensors and arrays in data units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.lazy import torch

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
    return run.data.standardisation.x_out(x.detach().cpu().double()).numpy()
