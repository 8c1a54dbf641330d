"""From a box to normal numbers by a linear model with errors of several widths, cut off at the box, given y.

law       p(u | y) ∝ Σ_k p_k Π_i N(u_i; m_i, σ_ik²) inside the box low ≤ u ≤ high, m = A c + b, c what is read
          of y. Exactly: Σ_k π_k Π_i p_ik(u_i) with p_ik the normal law cut off, M_ik its mass in the box and
          π_k ∝ p_k Π_i M_ik
forward   w_i = Φ⁻¹(F_i), F_i = Σ_k γ_ik F_ik(u_i), γ_ik ∝ π_k Π_{j<i} p_jk(u_j): each component by its law
          given those before it (Rosenblatt's transform)
log-det   Σ_i log Σ_k γ_ik p_ik(u_i) − log φ(w_i)
inverse   component after component, each by bisection
start     likelihood: expectation-maximisation without the box over a grid of widths, then a search with it.
          Kept where σ is small against the box and x becomes more likely than under one normal law by a
          tenth of a nat a draw; nothing is learned afterwards.
Source: Hausman & Wise 1977 (truncated regression); Andrews & Mallows 1974 and Dempster, Laird & Rubin 1980
        (errors of several widths); Rosenblatt 1952. As a layer ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.special import log_ndtr, ndtri

#: Nats a draw from which on the law is kept, and the largest σ of the whole against the box.
_WORTH, _NARROW = 0.1, 1 / 6
_WIDTHS = torch.logspace(-2, 1, 25, dtype=torch.float64)
_ROUNDS, _SWEEPS, _ROWS, _RIDGE, _LEAST_SHARE, _MOST = 60, 40, 10_000, 1e-6, 0.02, 8
#: How near a point may come to an edge, in lengths of the box; how far outside m may lie; halvings.
_NEAREST, _BEYOND, _HALVINGS = 1e-7, 0.25, 45
_HALF, _NORMAL = -math.log(2.0), 0.5 * math.log(2 * math.pi)


def log_mass(low: Tensor, high: Tensor) -> Tensor:
    """log[Φ(high) − Φ(low)] for low < high, in whichever tail has the digits."""
    turn = low > 0
    low, high = torch.where(turn, -high, low), torch.where(turn, -low, high)
    above = log_ndtr(high)
    return above + torch.log(-torch.expm1((log_ndtr(low) - above).clamp(max=-1e-30)))


def log_quantile(log_p: Tensor) -> Tensor:
    """w ≤ 0 with log Φ(w) = log_p ≤ log ½; as far down the tail as wanted."""
    with torch.no_grad():
        inside = log_p.clamp(max=_HALF)
        root = (-2 * (inside.clamp(max=-1.0) + _NORMAL)).clamp(min=1e-3)
        tail = -(root - torch.log(root.clamp(min=1.0))).clamp(min=0.1).sqrt()
        far = inside < -60
        start = torch.where(far, tail, ndtri(inside.clamp(min=-60).exp()))
        start = torch.where(far, _newton(_newton(start, inside), inside), start)
    return _newton(start, log_p)  # one more, for the last digits and the gradient


def _newton(w: Tensor, log_p: Tensor) -> Tensor:
    below = log_ndtr(w)
    return w - (below - log_p) * torch.exp(below + 0.5 * w.square() + _NORMAL)


class TruncatedMixture(nn.Module):
    """The map for D features and a context of C numbers; the identity until `prepare`. Nothing is learned."""

    def __init__(self, features: int, context: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.tensor([[0.0], [1.0]]).repeat(1, features))
        self.register_buffer("offset", torch.zeros(features))
        self.register_buffer("slope", torch.zeros(features, context))
        self.register_buffer("widths", torch.ones(_MOST, features))
        self.register_buffer("shares", torch.full((_MOST,), 1 / _MOST))
        self.register_buffer("active", torch.zeros((), dtype=torch.bool))
        self.on = False  # the same, for a branch: a graph has one of them

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        if prefix + "active" not in state:  # stored by a version that did not have this map
            state.update({prefix + name: value for name, value in self.named_buffers()})
            state[prefix + "active"] = torch.zeros_like(self.active)
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.on = bool(self.active)

    def _laws(self, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """m (n, D) or (D,); l and h (…, K, D), edges in widths from m; log π + log M up to a constant."""
        middle = self.offset if c is None else self.offset + c @ self.slope.mT
        low, high = self.edges
        room = _BEYOND * (high - low)
        middle = torch.maximum(torch.minimum(middle, high + room), low - room)
        below, above = ((edge - middle)[..., None, :] / self.widths for edge in self.edges)
        return middle, below, above, log_mass(below, above)

    def forward(self, u: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """u (n, D) in the box -> w (n, D) and log|det| (n,)."""
        if not self.on:
            return u, torch.zeros_like(u[..., 0])
        low, high = self.edges
        near = _NEAREST * (high - low)
        u = torch.maximum(torch.minimum(u, high - near), low + near)
        middle, below, above, mass = self._laws(c)
        a = (u - middle)[:, None, :] / self.widths
        normal = -0.5 * a.square() - _NORMAL - self.widths.log()
        # log γ up to a constant: the share, the masses of all components, the densities of those before
        before = normal.cumsum(-1) - normal
        log_share = self.shares.log()[:, None] + before + (mass.flip(-1).cumsum(-1)).flip(-1)
        log_share = log_share - log_share.logsumexp(-2, keepdim=True)
        lower = torch.logsumexp(log_share + log_mass(below, a) - mass, -2)
        upper = torch.logsumexp(log_share + log_mass(a, above) - mass, -2)
        density = torch.logsumexp(log_share + normal - mass, -2)
        left = lower < upper
        w = log_quantile(torch.where(left, lower, upper))
        w = torch.where(left, w, -w)
        return w, (density + 0.5 * w.square() + _NORMAL).sum(-1)

    @torch.no_grad()
    def inverse(self, w: Tensor, c: Tensor | None) -> Tensor:
        """w (n, D) -> u (n, D) in the box."""
        if not self.on:
            return w
        middle, below, above, mass = self._laws(c)
        middle, below, above, mass = (
            t.expand(len(w), *t.shape[-k:]) for t, k in ((middle, 1), (below, 2), (above, 2), (mass, 2))
        )
        log_share = self.shares.log() + mass.sum(-1)
        out = []
        for i in range(w.shape[1]):
            share = log_share - log_share.logsumexp(-1, keepdim=True) - mass[..., i]
            left = w[:, i] < 0
            wanted = log_ndtr(-w[:, i].abs())
            low, high = (edge[i].expand(len(w)) for edge in self.edges)
            for _ in range(_HALVINGS):
                half = 0.5 * (low + high)
                a = (half - middle[:, i])[:, None] / self.widths[:, i]
                start = torch.where(left[:, None], below[..., i], a)
                end = torch.where(left[:, None], a, above[..., i])
                found = torch.logsumexp(share + log_mass(start, end), -1)
                short = torch.where(left, found < wanted, found > wanted)
                low, high = torch.where(short, half, low), torch.where(short, high, half)
            u = 0.5 * (low + high)
            out.append(u)
            a = (u - middle[:, i])[:, None] / self.widths[:, i]
            log_share = log_share - mass[..., i] - 0.5 * a.square() - self.widths[:, i].log()
        return torch.stack(out, 1)

    @torch.no_grad()
    def prepare(self, x: Tensor, c: Tensor | None, bounds: Tensor) -> None:
        """From x (n, D), c (n, C) and ``bounds`` (2, D); does nothing unless all of them are finite."""
        if not bounds.isfinite().all():
            return
        u, one = x.double(), torch.ones(len(x), 1, dtype=torch.float64, device=x.device)
        design = one if c is None else torch.cat([c.double(), one], 1)
        plain, spread = _weighted(design, u, torch.ones(len(u)).to(u))
        length = (bounds[1] - bounds[0]).double()
        if not bool((spread < _NARROW * length).all()):
            return
        if bool(
            (
                (torch.cov((u - design @ plain).T).reshape(len(spread), -1) / spread / spread[:, None])
                .fill_diagonal_(0)
                .abs()
                > 0.5
            ).any()
        ):
            return  # the laws of the components are not each other's business here
        weights, widths, shares = _within(bounds.double(), design[:_ROWS], u[:_ROWS], *_several(design, u))
        kept = (self.edges.clone(), self.widths.clone())
        self.edges.copy_(bounds)
        self.offset.copy_(weights[-1])
        self.slope.copy_(weights[:-1].T)
        self.shares.fill_(1e-30)
        self.widths.copy_(widths[:1])
        self.shares[: len(shares)].copy_(shares)
        self.widths[: len(shares)].copy_(widths)
        self.on = True
        w, log_det = self(x, c)
        gain = float((log_det - 0.5 * w.square().sum(1)).mean() - u.shape[1] * _NORMAL)
        gain += float(spread.log().sum()) + u.shape[1] * (_NORMAL + 0.5)
        self.on = gain > _WORTH and math.isfinite(gain)
        self.active.fill_(self.on)
        if not self.on:
            self.edges.copy_(kept[0])
            self.widths.copy_(kept[1])


def _weighted(design: Tensor, u: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (C + 1, D) and spreads (D,) of a regression in which rows count differently."""
    scaled = design * importance[:, None]
    ridge = _RIDGE * importance.mean() * torch.eye(design.shape[1]).to(u)
    weights = torch.linalg.solve(scaled.T @ design / len(u) + ridge, scaled.T @ u / len(u))
    return weights, (importance[:, None] * (u - design @ weights).square()).mean(0).sqrt() + 1e-9


def _several(design: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (C + 1, D), widths (K, D) and shares (K,) by expectation-maximisation, without the box."""
    grid, importance = _WIDTHS.to(u.device), torch.ones(len(u)).to(u)
    shares = torch.full((len(grid),), 1 / len(grid)).to(u)
    for _ in range(_ROUNDS):
        weights, spread = _weighted(design, u, importance)
        square = ((u - design @ weights) / spread).square().sum(1)
        each = -u.shape[1] * grid.log() - 0.5 * square[:, None] / grid.square() + shares.log()
        belongs = each.softmax(1)
        shares = belongs.mean(0).clamp(min=1e-12)
        importance = (belongs / grid.square()).sum(1)
    most = shares.argsort(descending=True)[:_MOST]
    most = most[shares[most] > min(_LEAST_SHARE, float(shares.max()) / 2)]
    return weights, grid[most, None] * spread, shares[most] / shares[most].sum()


def _within(
    bounds: Tensor, design: Tensor, u: Tensor, weights: Tensor, widths: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same law made as likely as can be inside ``bounds``, by a search from where it is."""
    least = (bounds[1] - bounds[0]) / 500
    moved = torch.zeros(weights.shape).to(weights).requires_grad_()
    stretch = torch.zeros(len(widths), 1).to(widths).requires_grad_()
    lean = torch.zeros_like(shares).requires_grad_()
    unit = widths.max(0).values / len(u) ** 0.5

    def law() -> tuple[Tensor, Tensor, Tensor]:
        wide = (widths * stretch.exp()).clamp(min=least)
        return weights + moved * unit, wide, (shares.log() + lean).softmax(0)

    def loss() -> Tensor:
        now, wide, share = law()
        middle = (design @ now)[:, None]
        a = (u[:, None] - middle) / wide
        mass = log_mass((bounds[0] - middle) / wide, (bounds[1] - middle) / wide).sum(-1)
        inside = (-0.5 * a.square() - wide.log()).sum(-1)
        return (torch.logsumexp(share.log() + mass, 1) - torch.logsumexp(share.log() + inside, 1)).mean()

    with torch.enable_grad():
        search = torch.optim.LBFGS([moved, stretch, lean], max_iter=_SWEEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            search.zero_grad()
            value = loss()
            value.backward()
            return value

        search.step(closure)
    return tuple(part.detach() for part in law())
