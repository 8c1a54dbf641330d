"""How far each of several numbers can go, given those before it, where what they stand for lies in a box.

map       x = B v + s, the box low ≤ x ≤ high; the numbers v come in an order
decided   row r of B that ends with component i: low_r ≤ x_r ≤ high_r bounds v_i exactly, given those before
reach     v_i = w_i · (x − s), w_i row i of B⁻¹, cannot leave the range of this sum over the box
With a triangular B in its own order each component is decided; with any B the last one is. In between, what
is left out is only the box's shape: the limits are never too narrow.
Source: ours; interval arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Beyond it there is no limit; and what counts for zero in a row of B, against its largest entry.
FAR = 1e4
_NOTHING = 1e-6


class BoxLimits(nn.Module):
    """Limits for D numbers in K orders; none until `prepare`. Nothing is learned."""

    def __init__(self, members: int, features: int) -> None:
        super().__init__()
        # stored numbers are finite: which of the edges there are stands beside them
        self.register_buffer("edges", torch.zeros(2, features))
        self.register_buffer("there", torch.zeros(2, features, dtype=torch.bool))
        self.register_buffer("map", torch.eye(features).repeat(members, 1, 1))
        self.register_buffer("back", torch.eye(features).repeat(members, 1, 1))
        self.on = False  # for a branch: a graph has one of them

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool(self.there.any())

    @torch.no_grad()
    def prepare(self, edges: Tensor, factor: Tensor, inverse_factor: Tensor, orders: Tensor) -> None:
        """``edges`` (2, D) of x, infinite where there are none; B⁻¹ and B (D, D); ``orders`` (K, D): which
        component comes first, second, …"""
        self.there.copy_(edges.isfinite())
        self.edges.copy_(torch.where(self.there, edges, torch.zeros_like(edges)))
        self.on = bool(self.there.any())
        for k, order in enumerate(orders):
            self.map[k].copy_(inverse_factor[:, order])
            self.back[k].copy_(factor[order])

    def forward(self, v: Tensor, shift: Tensor, members: slice) -> tuple[Tensor, Tensor] | None:
        """v (K, n, D) in each member's order, ``shift`` (n, D) or (D,) is s -> low and high (K, n, D); None
        where nothing is limited."""
        if not self.on:
            return None
        forth, back = self.map[members], self.back[members]
        far = self.edges.new_tensor([[-torch.inf], [torch.inf]])
        edges = torch.where(self.there, self.edges, far)
        room = edges[:, None, :] - shift  # (2, n or 1, D): what is left of the box
        # reach: the least and largest sum, where no infinite edge takes part in it
        ends = room[:, None, :, None, :] * back[None, :, None]
        ends = torch.where(back[None, :, None] == 0, 0.0, ends)
        low, high = (torch.aminmax(ends, dim=0)[i].sum(-1).expand(v.shape) for i in (0, 1))
        # decided: (K, n, row, component)
        size = forth.abs()
        later = size.flip(-1).cumsum(-1).flip(-1) - size
        least = _NOTHING * size.amax(-1, keepdim=True)
        decided = ((later <= least) & (size > least))[:, None]
        share = forth[:, None] * v[..., None, :]
        before = share.cumsum(-1) - share
        whole = torch.where(decided, forth[:, None], 1.0)
        ends = (room[:, None, :, :, None] - before) / whole
        start, stop = torch.aminmax(ends, dim=0)
        low = torch.maximum(low, torch.where(decided, start, -torch.inf).amax(-2))
        high = torch.minimum(high, torch.where(decided, stop, torch.inf).amin(-2))
        return low.nan_to_num(nan=-FAR).clamp(min=-FAR), high.nan_to_num(nan=FAR).clamp(max=FAR)
