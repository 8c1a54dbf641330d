"""A mixture of split normal laws of one number, cut off at two limits.

component  q(v) = √(2/π)/(σ₋ + σ₊) · exp(−½ ((v − m)/σ)²), σ = σ₋ below m and σ₊ above: a bell with two
           widths, and an edge where one of them is nearly nothing
mixture    p(v) = Σ_k π_k q_k(v) / Σ_k π_k M_k for low < v < high, M_k the mass of q_k in between
draws      Φ(z) falls into one of the components, laid side by side by their masses; how far into it is the
           share of that component's mass that lies below v
start      seven tenths between the middles and six tenths for the widths make a standard normal number to
           2e-5 nats
Source: Fechner 1897; Wallis 2014 (Statistical Science 29, the two-piece normal); Bishop 1994 (mixtures read
        off a network).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PARAMETERS = 4
_SPACING, _WIDTH = 0.7, 0.6
_LEAST_WIDTH, _LEAST_MASS = 1e-4, 1e-30
_HALF, _ROOT, _FAR = 0.5 * math.log(2 / math.pi), math.sqrt(0.5), 1e4


@dataclass(frozen=True)
class SplitNormals:
    """``log_share`` (up to a constant), ``middle``, and the widths ``below`` and ``above``: (…, K), for (…)
    numbers."""

    log_share: Tensor
    middle: Tensor
    below: Tensor
    above: Tensor

    @classmethod
    def read(cls, raw: Tensor) -> SplitNormals:
        """From a network's outputs (…, 4 K); zeros are a standard normal number."""
        share, middle, below, above = raw.unflatten(-1, (PARAMETERS, -1)).unbind(-2)
        count = share.shape[-1]
        place = _SPACING * (torch.arange(count, device=raw.device, dtype=raw.dtype) - (count - 1) / 2)
        start = -0.5 * place.square() / (1 - _WIDTH**2)
        widths = (_LEAST_WIDTH + _WIDTH * torch.exp(w) for w in (below, above))
        return cls(start + share, place + middle, *widths)

    def log_prob(self, v: Tensor, limits: tuple[Tensor, Tensor] | None) -> Tensor:
        """log p(v) in nats; v (…) and its limits, low ≤ v ≤ high, which may be far away, but are finite."""
        d = v[..., None] - self.middle
        z = d / torch.where(d < 0, self.below, self.above)
        each = self.log_share - torch.log(self.below + self.above) - 0.5 * z.square()
        whole = self.log_share if limits is None else self.log_share + self._mass(*limits).log()
        return torch.logsumexp(each, -1) - torch.logsumexp(whole, -1) + _HALF

    def _tails(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """The mass below and above v (…) of each component (…, K)."""
        d = v[..., None] - self.middle
        width = torch.where(d < 0, self.below, self.above)
        tail = width / (self.below + self.above) * torch.special.erfc(_ROOT * d.abs() / width)
        return torch.where(d < 0, tail, 1 - tail), torch.where(d < 0, 1 - tail, tail)

    def _mass(self, low: Tensor, high: Tensor) -> Tensor:
        """M (…, K), in whichever tail has the digits."""
        (below, above), (to, left) = self._tails(low), self._tails(high)
        return torch.where(low[..., None] > self.middle, above - left, to - below).clamp(min=_LEAST_MASS)

    @torch.no_grad()
    def draw(self, z: Tensor, limits: tuple[Tensor, Tensor] | None) -> Tensor:
        """v (…) within the limits, which has this law where z (…) has the standard normal one."""
        far = torch.full_like(z, _FAR)
        low, high = (-far, far) if limits is None else limits
        edge = torch.softmax(self.log_share + self._mass(low, high).log(), -1).cumsum(-1)
        place = torch.special.ndtr(z)[..., None] * edge[..., -1:]
        k = (edge < place).sum(-1, keepdim=True).clamp(max=edge.shape[-1] - 1)
        stop = edge.gather(-1, k)
        start = torch.where(k > 0, edge.gather(-1, (k - 1).clamp(min=0)), 0.0)
        share = ((place - start) / (stop - start).clamp(min=_LEAST_MASS)).clamp(0, 1)
        middle, below, above = (t.gather(-1, k)[..., 0] for t in (self.middle, self.below, self.above))
        one = SplitNormals(torch.zeros_like(share), middle[..., None], below[..., None], above[..., None])
        return torch.minimum(torch.maximum(one._within(share, low, high)[..., 0], low), high)

    def _within(self, share: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """v (…, K) of each component that has this share of its mass between the limits below it."""
        (under, _), (_, over) = self._tails(low), self._tails(high)
        mass = self._mass(low, high)
        below, above = under + share * mass, over + (1 - share) * mass
        whole = self.below + self.above
        down = self.below * torch.special.ndtri((0.5 * below * whole / self.below).clamp(_LEAST_MASS, 0.5))
        up = self.above * torch.special.ndtri((0.5 * above * whole / self.above).clamp(_LEAST_MASS, 0.5))
        return self.middle + torch.where(below * whole < self.below, down, -up)
