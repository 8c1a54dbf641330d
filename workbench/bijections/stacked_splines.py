"""Autoregressive spline layers of several ensemble members, evaluated at once.

forward   v_i = g(u_i; θ_ki(u_{<i}, c)) for each member k on its own, g a monotone rational-quadratic spline
log-det   Σ_i log g'(u_i; θ_ki), one number per member and point
inverse   component after component, for all members at once, or for a slice of them
networks  one masked network per member (see `stacked_masked_network`)
Source: Durkan et al. 2019, arXiv:1906.04032 (splines); Germain et al. 2015, arXiv:1502.03509 (masks).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform
from zuko.transforms import MonotonicRQSTransform

from workbench.bijections.transform import JointMixin, VectorTransform
from workbench.nn.stacked_masked_network import StackedMaskedNetwork


class StackedSplines(LazyTransform):
    """One autoregressive spline layer for each of K ensemble members.

    Parameters
    ----------
    orders : (K, D), the position 0 … D − 1 of each component in each member's order.
    context : C (0 for none).
    bins, bound, slope : number of pieces of a spline; it acts within ±bound; its slopes lie between ``slope``
        and the inverse of ``slope``.
    hidden, activation : sizes of the masked networks' hidden layers, and their activation.
    """

    def __init__(
        self,
        orders: Tensor,
        context: int,
        *,
        bins: int,
        bound: float,
        slope: float,
        hidden: Sequence[int],
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self.bins, self.bound, self.slope = bins, bound, slope
        self.network = StackedMaskedNetwork(orders, context, 3 * bins - 1, hidden, activation)

    def forward(self, c: Tensor | None = None, members: slice = slice(None)) -> Transform:
        return StackedSplinesTransform(self, c, members)

    def splines(self, u: Tensor, c: Tensor | None, members: slice) -> Transform:
        """Elementwise splines of the m ``members``, whose knots depend on u (m, n, D) and c (n, C)."""
        widths, heights, slopes = self.network(u, c, members).split([self.bins, self.bins, self.bins - 1], -1)
        return MonotonicRQSTransform(widths, heights, slopes, bound=self.bound, slope=self.slope)


class StackedSplinesTransform(JointMixin, VectorTransform):
    """Splines of a layer for a given context (n, C) and m of the members: u (m, n, D) -> v (m, n, D)."""

    def __init__(self, layer: StackedSplines, context: Tensor | None, members: slice) -> None:
        super().__init__()
        self.layer, self.context, self.members = layer, context, members

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        v, log_slope = self.layer.splines(u, self.context, self.members).call_and_ladj(u)
        return v, log_slope.sum(-1)

    def _inverse(self, v: Tensor) -> Tensor:
        u = torch.zeros_like(v)
        for _ in range(v.shape[-1]):
            u = self.layer.splines(u, self.context, self.members).inv(v)
        return u
