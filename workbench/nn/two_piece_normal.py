"""A mixture of split normal laws of one number, cut off at two limits.

component  q(v) = √(2/π)/(σ₋ + σ₊) · exp(−½ ((v − m)/σ)²), σ = σ₋ below m and σ₊ above: a bell with two
           widths, and an edge where one of them is nearly nothing
mixture    p(v) = Σ_k π_k q_k(v) / Σ_k π_k M_k for low < v < high, M_k the mass of q_k in between
draws      Φ(z) falls into one of the components, laid side by side by their masses; how far into it is the
           share of that component's mass that lies below v
start      seven tenths between the middles and six tenths for the widths make a standard normal number to
           2e-5 nats
Source: Fechner 1897; Wallis 2014 (Statistical Science 29, the two-piece normal); Bishop 1994 (mixtures read
        off a network); Wichura 1988, Algorithm AS 241, Applied Statistics 37 (quantiles in a graph).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PARAMETERS = 4
_SPACING, _WIDTH = 0.7, 0.6
_LEAST_WIDTH, _LEAST_MASS = 1e-4, 1e-30
#: AS 241 to seven digits: numerators and denominators about the middle, towards the tail and far out.
_QUANTILE = (
    ((3.3871327179, 50.434271938, 159.29113202, 59.109374720),
     (1.0, 17.895169469, 78.757757664, 67.187563600)),
    ((1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103), (1.0, 0.73700164250, 0.12021132975)),
    ((6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997), (1.0, 0.24197894225, 0.012258202635)),
)  # fmt: skip
_HALF, _ROOT, _FAR = 0.5 * math.log(2 / math.pi), math.sqrt(0.5), 1e4


def _polynomial(coefficients: tuple[float, ...], r: Tensor) -> Tensor:
    """Σ c_i rⁱ (…)."""
    total = torch.full_like(r, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * r + c
    return total


def lower_quantile(p: Tensor) -> Tensor:
    """z (…) with Φ(z) = p for 0 < p ≤ ½; in a graph by polynomials, since ONNX knows no such function."""
    if not torch.compiler.is_compiling():
        return torch.special.ndtri(p)
    return _quantile(p)


def _quantile(p: Tensor) -> Tensor:
    q, r = p - 0.5, (-p.log()).sqrt()
    middle, tail, far = (
        _polynomial(above, at) / _polynomial(below, at)
        for (above, below), at in zip(_QUANTILE, (0.180625 - q * q, r - 1.6, r - 5), strict=True)
    )
    return torch.where(q >= -0.425, q * middle, -torch.where(r <= 5, tail, far))


@dataclass(frozen=True)
class TwoPieceNormal:
    """``log_share`` (up to a constant), ``middle``, and the widths ``below`` and ``above``: (…, K), for (…)
    numbers."""

    log_share: Tensor
    middle: Tensor
    below: Tensor
    above: Tensor

    @classmethod
    def read(cls, raw: Tensor) -> TwoPieceNormal:
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
        one = TwoPieceNormal(torch.zeros_like(share), middle[..., None], below[..., None], above[..., None])
        return torch.minimum(torch.maximum(one._within(share, low, high)[..., 0], low), high)

    def _within(self, share: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """v (…, K) of each component that has this share of its mass between the limits below it."""
        (under, _), (_, over) = self._tails(low), self._tails(high)
        mass = self._mass(low, high)
        below, above = under + share * mass, over + (1 - share) * mass
        whole = self.below + self.above
        down = self.below * lower_quantile((0.5 * below * whole / self.below).clamp(_LEAST_MASS, 0.5))
        up = self.above * lower_quantile((0.5 * above * whole / self.above).clamp(_LEAST_MASS, 0.5))
        return self.middle + torch.where(below * whole < self.below, down, -up)
