"""Roots of increasing functions of one variable, elementwise, with gradients.

search    Newton's steps, and halving of the bracket where a step leaves it or is more than half as long as
          the previous one; ends when no root moves by more than 3e-5. It has no gradient
polish    u = u₀ + (v − f(u₀)) / f'(u₀), one last Newton step, which squares the error; u₀ is a constant to
          autograd
gradient  of that step at f(u₀) = v it is ∂u/∂v = 1/f', ∂u/∂θ = −(∂f/∂θ)/f': that of the implicit function
Source: Press et al. 2007, Numerical Recipes, section 9.4; the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_MOST_STEPS = 80
_TOLERANCE = 3e-5


@torch.no_grad()
def search(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], v: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """Return u between ``low`` and ``high`` with function(u) ≈ v; without a root, a u near one of the two.

    ``function`` returns its value and the logarithm of its slope, elementwise; all tensors have v's shape.
    """
    u, last = 0.5 * (low + high), high - low
    for _ in range(_MOST_STEPS):
        value, log_slope = function(u)
        low, high = torch.where(value < v, u, low), torch.where(value < v, high, u)
        newton = polish(u, value, log_slope, v)
        step = (newton - u).abs()
        # at a converged root the steps are rounding noise, and halving would lose it again
        accept = (step <= _TOLERANCE) | ((newton >= low) & (newton <= high) & (step <= 0.5 * last))
        before, u = u, torch.where(accept, newton, 0.5 * (low + high))
        last = (u - before).abs()
        if bool((last <= _TOLERANCE).all()):
            break
    return u


def polish(u: Tensor, value: Tensor, log_slope: Tensor, v: Tensor) -> Tensor:
    """Return u + (v − f(u)) / f'(u), one Newton step towards f(u) = v, given f(u) and log f'(u)."""
    return u + (v - value) * (-log_slope).exp()
