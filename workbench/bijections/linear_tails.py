"""Monotone map of one component, continued linearly outside an interval.

forward   v = f(w) + f'(w) (u − w),  w = u clamped to ±B: f itself inside, its tangents at the ends outside
log-det   log f'(w)
inverse   outside [f(−B), f(B)] in closed form; inside by root finding
Source: this project. zuko inverts its monotone maps within a fixed interval and silently clamps beyond it;
with linear tails every real number has an inverse.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from workbench.bijections.transform import JointMixin, ScalarTransform
from workbench.nn.root import polish, search


class LinearTailsTransform(JointMixin, ScalarTransform):
    """Elementwise transform: ``inner``, an increasing one, within ±``bound``, and its tangents outside."""

    def __init__(self, inner: Transform, bound: float) -> None:
        super().__init__()
        self.inner, self.bound = inner, bound

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        inside = u.clamp(-self.bound, self.bound)
        value, log_slope = self.inner.call_and_ladj(inside)
        return value + log_slope.exp() * (u - inside), log_slope

    def _inverse(self, v: Tensor) -> Tensor:
        start = self._start(v)
        return polish(start, *self.inner.call_and_ladj(start), v)

    @torch.no_grad()
    def _start(self, v: Tensor) -> Tensor:
        """Approximate inverse of v; in a tail the end of the interval, from which a Newton step is exact."""
        low, high = torch.full_like(v, -self.bound), torch.full_like(v, self.bound)
        root = search(self.inner.call_and_ladj, v, low, high)
        root = torch.where(v <= self.inner(low), low, root)
        return torch.where(v >= self.inner(high), high, root)


class LinearTails(nn.Module):
    """Constructor of monotone transforms with linear tails: parameters -> `LinearTailsTransform`.

    Parameters
    ----------
    univariate : constructor of the monotone transform, parameters -> transform; may be a module.
    bound : |u| at which the tails begin, in the unit of the input.
    """

    def __init__(self, univariate: Callable[..., Transform], bound: float) -> None:
        super().__init__()
        self.univariate, self.bound = univariate, bound

    def forward(self, *parameters: Tensor) -> Transform:
        return LinearTailsTransform(self.univariate(*parameters), self.bound)
