"""The support of x: where a density that keeps the bounds of its variables is not zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch  # noqa: TID253 the base class of a module; imported with the first model
from torch import Tensor, nn  # noqa: TID253

from workbench.inference.column_values import is_bounded

if TYPE_CHECKING:
    from workbench.core.variable import Variable


class Support(nn.Module):
    """Edges (D,) of the support of x, in data units; part of a model and of its exported programs.

    Zero has no logarithm: a variable with a logarithmic scale starts at the least positive normal number.
    ``kept`` is false for a model of version 0.1 that does not keep bounds: nothing is outside then.
    """

    low: Tensor
    high: Tensor

    def __init__(self, variables: Sequence[Variable], *, kept: bool = True) -> None:
        super().__init__()
        edges = torch.tensor([v.support for v in variables], dtype=torch.float64).reshape(-1, 2)
        positive = torch.tensor([v.scale == "log" for v in variables], dtype=torch.bool)
        tiny = torch.finfo(torch.float64).tiny
        low = torch.where(positive, edges[:, 0].clamp(min=tiny), edges[:, 0])
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("high", edges[:, 1].clone(), persistent=False)
        self.on = kept and any(map(is_bounded, variables))

    def nearest(self, x: Tensor) -> Tensor:
        """Return x (n, D) with points outside moved to the edge, where the maps of columns are finite."""
        return torch.minimum(torch.maximum(x, self.low), self.high) if self.on else x

    def zero_outside(self, log_prob: Tensor, x: Tensor) -> Tensor:
        """Return log-densities (n,) of points x (n, D), -inf outside."""
        if not self.on:
            return log_prob
        outside = ((x < self.low) | (x > self.high)).any(1)
        return torch.where(outside, torch.full_like(log_prob, -torch.inf), log_prob)
