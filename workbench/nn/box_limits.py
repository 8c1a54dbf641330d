"""Limits of each component of v, given the components before it, such that x = B v + s lies in a box.

map       x = B v + s, the box low ≤ x ≤ high; the components of v are drawn one after another in some order
exact     where v_i comes last among the components that row r of B contains, low_r ≤ x_r ≤ high_r bounds v_i
          exactly, given the components before it
interval  v_i = w_i · (x − s), w_i row i of B⁻¹, cannot leave the range of this sum over the box
cheap     where B is lower triangular in this order: row i alone bounds v_i, exactly
Two components are bounded exactly with any B: the first by its interval, the last by its section. With more
of them and any other B the limits of all but the last may be too wide, never too narrow.
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
        self.register_buffer("triangular", torch.zeros((), dtype=torch.bool))
        self.register_buffer("orders", torch.arange(features).repeat(members, 1))
        # Python bools: a traced graph holds one branch only
        self.on, self.cheap = False, False

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        for name in ("triangular", "orders"):  # a version without them had no triangular maps
            state.setdefault(prefix + name, getattr(self, name).clone())
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on, self.cheap = bool(self.there.any()), bool(self.triangular)

    @torch.no_grad()
    def prepare_triangular(self, edges: Tensor, maps: Tensor, orders: Tensor) -> None:
        """Set the box of x (2, D), and for each of K members its map from v to x in the member's order.

        ``maps`` (K, D, D) are lower triangular with a positive diagonal; ``orders`` (K, D) as in `prepare`.
        """
        self.there.copy_(edges.isfinite())
        self.edges.copy_(torch.where(self.there, edges, torch.zeros_like(edges)))
        self.map.copy_(maps)
        self.orders.copy_(orders)
        self.triangular.fill_(True)
        self.on, self.cheap = bool(self.there.any()), True

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
        self.triangular.fill_(False)
        self.on, self.cheap = bool(self.there.any()), False
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
        if self.cheap:
            own = room[:, :, self.orders[members]].movedim(2, 1)  # (2, K, n or 1, D) in the member's order
            before = v @ forth.tril(-1).mT
            low, high = ((end - before) / forth.diagonal(dim1=-2, dim2=-1)[:, None] for end in own)
            return low.clamp(min=-FAR), high.clamp(max=FAR)
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
