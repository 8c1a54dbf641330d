"""Several autoregressive spline flows side by side, computed as one.

forward   for each member k on its own: v_i = g(u_i; θ_ki(u_{<i}, c)), a monotone rational-quadratic spline
log-det   Σ_i log g'(u_i; θ_ki), one number a member and point
inverse   component after component, for one member or for each
networks  one masked network a member, multiplied in one batch: what small networks cost are the calls
Source: Durkan et al. 2019, arXiv:1906.04032 (splines); Germain et al. 2015, arXiv:1502.03509 (masks).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from zuko.transforms import MonotonicRQSTransform


class StackedMasked(nn.Module):
    """u (K, n, D), c (n, C) or None -> (K, n, D, P): parameters of each component, read off those before it.

    Parameters
    ----------
    orders : (K, D), the place 0 … D − 1 of each component in each member.
    detail : how steep the first layer begins, in the usual steepness, with its kinks spread as far; 0: as
        usual, with the kinks near the origin.
    straight : with a straight line beside the network, which begins at zero.
    """

    def __init__(
        self,
        orders: Tensor,
        context: int,
        outputs: int,
        hidden: Sequence[int],
        activation: type[nn.Module],
        *,
        detail: float = 0.0,
        straight: bool = False,
    ) -> None:
        super().__init__()
        members, features = orders.shape
        self.features, self.outputs, self.activation = features, outputs, activation()
        degrees = [torch.cat([orders + 1, torch.zeros(members, context, dtype=torch.long)], 1)]
        # degree 0 sees the context alone
        degrees += [(torch.arange(width) % features).expand(members, -1) for width in hidden]
        masks = [
            after[:, :, None] >= before[:, None, :]
            for before, after in zip(degrees[:-1], degrees[1:], strict=True)
        ]
        strict = (orders + 1)[:, :, None] > degrees[-1][:, None, :]
        masks.append(strict.repeat_interleave(outputs, 1))
        self.weights, self.offsets = nn.ParameterList(), nn.ParameterList()
        for number, mask in enumerate(masks):
            bound = mask.shape[2] ** -0.5
            last = number == len(masks) - 1  # close to zero: a spline starts as the identity
            shape, scale = mask.shape, bound * (0.01 if last else 1.0)
            self.weights.append(nn.Parameter(scale * (2 * torch.rand(shape) - 1)))
            if not mask.any():  # a single component without a context has none before it
                self.weights[-1].requires_grad_(False)
            self.offsets.append(nn.Parameter(scale * (2 * torch.rand(shape[0], 1, shape[1]) - 1)))
            self.register_buffer(f"mask_{number}", mask)
        if detail:
            with torch.no_grad():
                self.offsets[0].mul_(detail * masks[0].shape[2] ** 0.5)
                self.weights[0].mul_(detail)
        self.line = None
        if straight:
            mask = ((orders + 1)[:, :, None] > degrees[0][:, None, :]).repeat_interleave(outputs, 1)
            self.line = nn.Parameter(torch.zeros(mask.shape), requires_grad=bool(mask.any()))
            self.register_buffer("mask_line", mask)

    def forward(self, u: Tensor, c: Tensor | None, members: slice) -> Tensor:
        h = first = u if c is None else torch.cat([u, c.expand(u.shape[0], *c.shape)], -1)
        for number, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            masked = (weight * getattr(self, f"mask_{number}"))[members]
            h = torch.baddbmm(offset[members], h if number == 0 else self.activation(h), masked.mT)
        if self.line is not None:
            h = torch.baddbmm(h, first, (self.line * self.mask_line)[members].mT)
        return h.unflatten(-1, (self.features, self.outputs))


class StackedSplines(nn.Module):
    """One spline layer of every member."""

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
        self.network = StackedMasked(orders, context, 3 * bins - 1, hidden, activation)

    def _splines(self, u: Tensor, c: Tensor | None, members: slice) -> MonotonicRQSTransform:
        widths, heights, slopes = self.network(u, c, members).split([self.bins, self.bins, self.bins - 1], -1)
        return MonotonicRQSTransform(widths, heights, slopes, bound=self.bound, slope=self.slope)

    def forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """u (K, n, D) -> v (K, n, D) and log|det| (K, n)."""
        v, log_slope = self._splines(u, c, slice(None)).call_and_ladj(u)
        return v, log_slope.sum(-1)

    def inverse(self, v: Tensor, c: Tensor | None, members: slice = slice(None)) -> Tensor:
        """v (m, n, D) of the ``members`` -> u (m, n, D); D sweeps."""
        u = torch.zeros_like(v)
        for _ in range(v.shape[-1]):
            u = self._splines(u, c, members).inv(v)
        return u
