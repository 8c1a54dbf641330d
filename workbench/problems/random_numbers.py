"""Standard random numbers in float64 from a generator that the caller hands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def normal(n: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return standard normal numbers (n, columns), float64."""
    return torch.randn(n, columns, generator=generator, dtype=torch.float64)


def uniform(n: int, generator: torch.Generator) -> Tensor:
    """Return uniform numbers in [0, 1) (n,), float64."""
    return torch.rand(n, generator=generator, dtype=torch.float64)
