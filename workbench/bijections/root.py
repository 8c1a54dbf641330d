"""The root of an increasing function of one variable, and its gradient.

search    bisection: after k steps the root is known to within (high − low) / 2ᵏ; one Newton step squares that
          error. Neither has a gradient
polish    u = u₀ + (v − f(u₀)) / f'(u₀), one more Newton step; u₀ is a constant to autograd
gradient  of the step at f(u₀) = v it is ∂u/∂v = 1/f', ∂u/∂θ = −(∂f/∂θ)/f': that of the implicit function
Source: Press et al. 2007, Numerical Recipes, sections 9.1 and 9.4; the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def bisect(function: Callable[[Tensor], Tensor], v: Tensor, low: Tensor, high: Tensor, steps: int) -> Tensor:
    """u between ``low`` and ``high`` with function(u) ≈ v, all of one shape; an end where there is none."""
    for _ in range(steps):
        middle = 0.5 * (low + high)
        below = function(middle) < v
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return 0.5 * (low + high)


def polish(u: Tensor, value: Tensor, log_slope: Tensor, v: Tensor) -> Tensor:
    """The Newton step from ``u``, where the function has this ``value`` and slope, towards ``v``."""
    return u + (v - value) * (-log_slope).exp()
