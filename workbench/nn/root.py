"""The root of an increasing function of one variable, and its gradient.

search    Newton's steps, and halving of the bracket where a step leaves it or is not half as long as the one
          before; ends when no root moves by more than 3e-5. It has no gradient
polish    u = u₀ + (v − f(u₀)) / f'(u₀), one last Newton step, which squares the error; u₀ is a constant to
          autograd
gradient  of that step at f(u₀) = v it is ∂u/∂v = 1/f', ∂u/∂θ = −(∂f/∂θ)/f': that of the implicit function
Source: Press et al. 2007, Numerical Recipes, section 9.4; the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_MOST = 80
_CLOSE = 3e-5


@torch.no_grad()
def search(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], v: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """u between ``low`` and ``high``, where function(u) is nearly v; close to an end where there is none.

    ``function`` gives value and log-slope, element by element; all shapes are those of ``v``.
    """
    u, last = 0.5 * (low + high), high - low
    for _ in range(_MOST):
        value, log_slope = function(u)
        low, high = torch.where(value < v, u, low), torch.where(value < v, high, u)
        newton = polish(u, value, log_slope, v)
        step = (newton - u).abs()
        # a root that is found stays: there steps are noise, and halving would throw it out again
        wanted = (step <= _CLOSE) | ((newton >= low) & (newton <= high) & (step <= 0.5 * last))
        before, u = u, torch.where(wanted, newton, 0.5 * (low + high))
        last = (u - before).abs()
        if bool((last <= _CLOSE).all()):
            break
    return u


def polish(u: Tensor, value: Tensor, log_slope: Tensor, v: Tensor) -> Tensor:
    """The Newton step from ``u``, where the function has this ``value`` and slope, towards ``v``."""
    return u + (v - value) * (-log_slope).exp()
