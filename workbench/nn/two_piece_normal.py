"""Mixtures of two-piece normal distributions of a scalar, truncated to an interval.

component  q(v) = √(2/π)/(σ₋ + σ₊) · exp(−½ ((v − m)/σ)²), σ = σ₋ below m and σ₊ above: a normal with two
           scales, and nearly an edge where one of them is close to zero
mixture    p(v) = Σ_k π_k q_k(v) / Σ_k π_k M_k for low < v < high, M_k the probability of q_k in between
draws      for standard normal z, Φ(z) selects a component in proportion to its probability in the interval;
           the remainder is a uniform number, to which that component's truncated quantile function is applied
start      modes 0.7 apart and scales of 0.6 approximate the standard normal distribution to 2e-5 nats
Source: Fechner 1897; Wallis 2014 (Statistical Science 29, the two-piece normal); Bishop 1994 (mixture density
        networks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.nn.normal_quantile import lower_quantile

#: Number of parameters of a component: logarithm of its weight, mode, and both scales.
PARAMETERS = 4
#: Distance of the modes and scales of the components at the start.
_SPACING, _WIDTH = 0.7, 0.6
_LEAST_WIDTH, _LEAST_MASS = 1e-4, 1e-30
#: Ratio of an interval to a scale below which the density is constant in it, and probability that is none.
_NARROW, _NO_MASS = 0.05, 1e-25
#: Largest logarithm of a scale, in units of the start's: exp of more is of no use, and soon overflows.
_MOST_LOG_WIDTH = 20.0
_HALF_LOG_TWO_OVER_PI, _ROOT_HALF, _FAR = 0.5 * math.log(2 / math.pi), math.sqrt(0.5), 1e4


@dataclass(frozen=True)
class TwoPieceNormal:
    """Mixture of K two-piece normal distributions, one mixture for each of any number (…) of scalars.

    Parameters
    ----------
    log_share : logarithms of the weights, log π (…, K), up to a constant.
    middle : modes m (…, K).
    below, above : scales σ₋ and σ₊ (…, K).
    """

    log_share: Tensor
    middle: Tensor
    below: Tensor
    above: Tensor

    @classmethod
    def read(cls, raw: Tensor) -> TwoPieceNormal:
        """Mixture from a network's outputs (…, 4 K); zeros give nearly a standard normal distribution."""
        share, middle, below, above = raw.unflatten(-1, (PARAMETERS, -1)).unbind(-2)
        count = share.shape[-1]
        place = _SPACING * (torch.arange(count, device=raw.device, dtype=raw.dtype) - (count - 1) / 2)
        start = -0.5 * place.square() / (1 - _WIDTH**2)
        widths = (_LEAST_WIDTH + _WIDTH * torch.exp(w.clamp(max=_MOST_LOG_WIDTH)) for w in (below, above))
        return cls(start + share, place + middle, *widths)

    def log_prob(self, v: Tensor, limits: tuple[Tensor, Tensor] | None, half: Tensor | None = None) -> Tensor:
        """log p(v) (…) in nats, for v (…) within finite ``limits`` (low, high); None for no truncation.

        With half widths h (…): the mean of p between v − h and v + h; p(v) itself where h is 0.
        """
        d = v[..., None] - self.middle
        z = d / torch.where(d < 0, self.below, self.above)
        each = self.log_share - torch.log(self.below + self.above) - 0.5 * z.square()
        if half is not None:
            each = self._mean_within(v, half, each)
        whole = self.log_share if limits is None else self.log_share + self._mass(*limits).log()
        return torch.logsumexp(each, -1) - torch.logsumexp(whole, -1) + _HALF_LOG_TWO_OVER_PI

    def _mean_within(self, v: Tensor, half: Tensor, centre: Tensor) -> Tensor:
        """Return, like the components' log-densities ``centre`` (…, K) at v, those of their means within h.

        Where an interval is narrow for a component, or has no probability in this precision, the centre's
        density stands for the mean.
        """
        half = half.expand(v.shape)
        mass = self._mass(v - half, v + half)
        wide = 2 * half[..., None] > _NARROW * torch.minimum(self.below, self.above)
        width = torch.where(half > 0, 2 * half, 1.0)[..., None]
        mean = self.log_share + mass.log() - width.log() - _HALF_LOG_TWO_OVER_PI
        return torch.where(wide & (half[..., None] > 0) & (mass > _NO_MASS), mean, centre)

    def _tails(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Probability of each component below v and above v (…), both (…, K)."""
        d = v[..., None] - self.middle
        width = torch.where(d < 0, self.below, self.above)
        tail = width / (self.below + self.above) * torch.special.erfc(_ROOT_HALF * d.abs() / width)
        return torch.where(d < 0, tail, 1 - tail), torch.where(d < 0, 1 - tail, tail)

    def _mass(self, low: Tensor, high: Tensor) -> Tensor:
        """Probability M (…, K) of each component in (low, high), from the tail where no digits cancel."""
        (below_low, above_low), (below_high, above_high) = self._tails(low), self._tails(high)
        mass = torch.where(low[..., None] > self.middle, above_low - above_high, below_high - below_low)
        return mass.clamp(min=_LEAST_MASS)

    @torch.no_grad()
    def draw(self, z: Tensor, limits: tuple[Tensor, Tensor] | None) -> Tensor:
        """Map standard normal z (…) to samples v (…) of the mixture truncated to ``limits`` (low, high)."""
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
        """Quantiles v (…, K) of the components truncated to (low, high), at the level ``share`` in [0, 1]."""
        (under, _), (_, over) = self._tails(low), self._tails(high)
        mass = self._mass(low, high)
        below, above = under + share * mass, over + (1 - share) * mass
        whole = self.below + self.above
        down = self.below * lower_quantile((0.5 * below * whole / self.below).clamp(_LEAST_MASS, 0.5))
        up = self.above * lower_quantile((0.5 * above * whole / self.above).clamp(_LEAST_MASS, 0.5))
        return self.middle + torch.where(below * whole < self.below, down, -up)
