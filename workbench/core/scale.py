"""Scales of columns of numbers, relative to the numbers' own magnitude: no unit is too small or too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

#: Spread of a constant column that rounding alone can cause, in units in the last place of its largest value.
_ROUNDING = 16


def column_std(values: Tensor, dim: int = 0) -> Tensor:
    """Return the standard deviation of each column of ``values`` (n, D) -> (D,), 0 for a constant column.

    A column is constant where it varies by no more than the rounding of its own values. Columns are divided
    by their largest value on the way, so that squares neither overflow nor vanish. ``dim`` is the dimension
    of the rows.
    """
    magnitude = values.abs().amax(dim, keepdim=True)
    unit = torch.where(magnitude > 0, _power_of_two(magnitude), torch.ones_like(magnitude))
    spread = (values / unit).std(dim, unbiased=False, keepdim=True) * unit
    rounding = _ROUNDING * torch.finfo(values.dtype).eps * magnitude
    return torch.where(spread > rounding, spread, torch.zeros_like(spread)).squeeze(dim)


def column_scale(values: Tensor, dim: int = 0) -> Tensor:
    """Return the standard deviation of each column of ``values`` (n, D) -> (D,), 1 for a constant column.

    ``dim`` is the dimension of the rows.
    """
    return nonzero(column_std(values, dim))


def array_scale(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column of an array (n, D) -> (D,), 1 for a constant column."""
    return column_scale(torch.as_tensor(values, dtype=torch.float64)).numpy()


def nonzero(scale: Tensor) -> Tensor:
    """Return ``scale`` with ones in place of zeros, to divide by."""
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def _power_of_two(values: Tensor) -> Tensor:
    """Return powers of two near positive ``values``: to divide by one changes no digit of a number."""
    return torch.exp2(torch.log2(values).floor())
