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
    """Return a float64 array."""
    return tensor.detach().cpu().double().numpy()


def repeat_observation(run: Run, observation: Sequence[float], n: int) -> Tensor | None:
    """Return the observation as n standardised rows (n, M) on the run's device; None without one."""
    if not run.data.has_y:
        return None
    row = run.data.standardisation.y_in(torch.tensor([observation], dtype=torch.float64))
    return row.to(run.device, run.dtype).expand(n, -1)


def to_data_units(run: Run, x: Tensor) -> np.ndarray:
    """Return standardised x (n, D) in data units."""
    return run.data.standardisation.x_out(x.detach().cpu().double()).numpy()
