"""Logarithm of Lambert's function with a gradient: s(x) = log W(e^x), the root of e^s + s = x."""

from __future__ import annotations

import torch
from torch import Tensor


class LogLambert(torch.autograd.Function):
    """Logarithm of Lambert's function, s(x) = log W(e^x), elementwise, with gradient 1/(1 + e^s)."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        # the function is convex and increasing and the start lies right of the root: Newton never overshoots
        s = torch.where(x > 1, x.clamp_min(1).log(), x)
        for _ in range(12):
            s = s - (s.exp() + s - x) / (s.exp() + 1)
        ctx.save_for_backward(s)
        return s

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        (s,) = ctx.saved_tensors
        return slope * torch.sigmoid(-s)
