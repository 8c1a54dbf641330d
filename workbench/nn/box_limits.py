"""Limits of each component of v, given the components before it, such that x = B v + s lies in a box.

map       x = B v + s, the box low ≤ x ≤ high; the components of v are drawn one after another in some order
exact     where v_i comes last among the components that row r of B contains, low_r ≤ x_r ≤ high_r bounds v_i
          exactly, given the components before it
interval  v_i = w_i · (x − s), w_i row i of B⁻¹, cannot leave the range of this sum over the box
Where B is triangular in this order, every component is bounded exactly; with any other B the last one is. The
limits of the others may be too wide, never too narrow.
Source: this project; interval arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Value that stands for no limit, and the relative size below which an entry of B counts as zero.
FAR = 1e4
_NEGLIGIBLE = 1e-6


class BoxLimits(nn.Module):
    """Lower and upper limits of D components in K orders, one per ensemble member; none until `prepare`.

    Nothing is learned.
    """

    def __init__(self, members: int, features: int) -> None:
        super().__init__()
        # stored numbers are finite: the mask of the finite edges is stored beside them
        self.register_buffer("edges", torch.zeros(2, features))
        self.register_buffer("there", torch.zeros(2, features, dtype=torch.bool))
        self.register_buffer("map", torch.eye(features).repeat(members, 1, 1))
        self.register_buffer("back", torch.eye(features).repeat(members, 1, 1))
        self.on = False  # a Python bool: a traced graph holds one branch only

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool(self.there.any())

    @torch.no_grad()
    def prepare(self, edges: Tensor, factor: Tensor, inverse_factor: Tensor, orders: Tensor) -> None:
        """Set the box of x, and the map from v to x.

        Parameters
        ----------
        edges : (2, D), lower and upper edge of the box per component of x; infinite where there is none.
        factor, inverse_factor : B⁻¹ and B (D, D).
        orders : (K, D), the component that comes first, second, … in each ensemble member.
        """
        self.there.copy_(edges.isfinite())
        self.edges.copy_(torch.where(self.there, edges, torch.zeros_like(edges)))
        self.on = bool(self.there.any())
        for k, order in enumerate(orders):
            self.map[k].copy_(inverse_factor[:, order])
            self.back[k].copy_(factor[order])

    def forward(self, v: Tensor, shift: Tensor, members: slice) -> tuple[Tensor, Tensor] | None:
        """v (K, n, D) in each member's order, ``shift`` s (n, D) or (D,) -> limits low, high of v (K, n, D).

        Returns None if the box has no finite edge.
        """
        if not self.on:
            return None
        forth, back = self.map[members], self.back[members]
        far = self.edges.new_tensor([[-torch.inf], [torch.inf]])
        edges = torch.where(self.there, self.edges, far)
        room = edges[:, None, :] - shift  # (2, n or 1, D)
        # interval: the least and the largest sum, unless an infinite edge takes part in it
        ends = room[:, None, :, None, :] * back[None, :, None]
        ends = torch.where(back[None, :, None] == 0, 0.0, ends)
        low, high = (torch.aminmax(ends, dim=0)[i].sum(-1).expand(v.shape) for i in (0, 1))
        # exact: (K, n, row, component)
        size = forth.abs()
        later = size.flip(-1).cumsum(-1).flip(-1) - size
        least = _NEGLIGIBLE * size.amax(-1, keepdim=True)
        last = ((later <= least) & (size > least))[:, None]
        share = forth[:, None] * v[..., None, :]
        before = share.cumsum(-1) - share
        divisor = torch.where(last, forth[:, None], 1.0)
        ends = (room[:, None, :, :, None] - before) / divisor
        start, stop = torch.aminmax(ends, dim=0)
        low = torch.maximum(low, torch.where(last, start, -torch.inf).amax(-2))
        high = torch.minimum(high, torch.where(last, stop, torch.inf).amin(-2))
        return low.nan_to_num(nan=-FAR).clamp(min=-FAR), high.nan_to_num(nan=FAR).clamp(max=FAR)
