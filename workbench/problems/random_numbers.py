"""Standard normal and uniform random numbers in float64, drawn with a given generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def normal(n: int, columns: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal numbers (n, columns), float64."""
    return torch.randn(n, columns, generator=generator, dtype=torch.float64)


def uniform(n: int, generator: torch.Generator) -> Tensor:
    """Draw ``n`` uniform numbers in [0, 1), float64."""
    return torch.rand(n, generator=generator, dtype=torch.float64)
