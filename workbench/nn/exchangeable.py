"""An observation made of blocks whose order says nothing, and what a network reads of such a set.

question  is (x, y) as likely as (x, y with two blocks exchanged)? Asked for blocks of every size that
          divides y, lying one after the other or interleaved, the smallest first
answer    paired differences r(x, y) − r(x, πy) have the mean zero for every function r. They are looked at
          for products of one or two components and for random waves cos(w·x + v·y + φ) with few components
          each; the largest of their z-scores is compared with that of as many normal numbers. One clear
          difference for one exchange of neighbours: the order counts.
reading   c = (blocks in the order of their first component, s), s: means, logarithms of standard deviations
          and correlations (by Fisher's z) of a block's components over the blocks, as far as there is room.
          None of it depends on the order. Where the order counts: y itself, twice.
Source: de Finetti 1937 (exchangeability); Zaheer et al. 2017, Deep sets, arXiv:1703.06114 (what is read of a
        set); the characteristic function as test: Epps & Singleton 1986. Put together here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Rows that are looked at, differences for each exchange, and how often a right one may be refused.
_ROWS, _WAVES, _LEVEL = 10_000, 600, 1e-3
_FEWEST_ROWS = 200
#: A standard deviation counts as at least so many of the component's own.
_LEAST = 1e-4


class Exchangeable(nn.Module):
    """y (n, M) -> c (n, 2 M); reads nothing but y twice until `prepare`. Nothing is learned."""

    def __init__(self, context: int) -> None:
        super().__init__()
        # blocks (0: the order counts), and whether a block's components lie apart
        self.register_buffer("blocks", torch.zeros((), dtype=torch.long))
        self.register_buffer("interleaved", torch.zeros((), dtype=torch.bool))
        self.register_buffer("floor", torch.zeros(context))
        self.found: tuple[int, bool] | None = None  # the same, for the branch below: a graph has one of them

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        if prefix + "blocks" not in state:  # stored by a version that did not look for sets
            state.update({prefix + name: value for name, value in self.named_buffers()})
            state[prefix + "blocks"] = torch.zeros_like(self.blocks)
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.found = (int(self.blocks), bool(self.interleaved)) if self.blocks else None

    @torch.no_grad()
    def prepare(self, x: Tensor, y: Tensor) -> None:
        """Looks for blocks in x (n, D) and y (n, M), both standardised."""
        self.found = find_blocks(x, y)
        if self.found is not None:
            self.blocks.fill_(self.found[0])
            self.interleaved.fill_(self.found[1])
            block = as_blocks(y, *self.found)
            self.floor[: block.shape[2]].copy_(_LEAST * block.flatten(0, 1).std(0))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """What is read as it is (n, M), and what may be straightened (n, M)."""
        if self.found is None:
            return y, y
        blocks = as_blocks(y, *self.found)
        order = blocks[:, :, :1].argsort(1).expand_as(blocks)
        told = summary(blocks, self.floor[: blocks.shape[2]], y.shape[1])
        return blocks.gather(1, order).flatten(1), nn.functional.pad(told, (0, y.shape[1] - told.shape[1]))


def as_blocks(y: Tensor, blocks: int, interleaved: bool) -> Tensor:
    """y (n, M) -> (n, m, b)."""
    return y.unflatten(1, (-1, blocks)).mT if interleaved else y.unflatten(1, (blocks, -1))


def summary(blocks: Tensor, floor: Tensor, room: int) -> Tensor:
    """blocks (n, m, b) -> means, log standard deviations and, where all fit, Fisher's z of correlations."""
    middle = blocks.mean(1)
    apart = blocks - middle[:, None]
    spread = apart.square().mean(1).sqrt()
    told, b = [middle, torch.log(spread + floor)], blocks.shape[2]
    if 2 * b + b * (b - 1) // 2 <= room and b > 1 and blocks.shape[1] > 2:
        unit = apart / (spread + floor)[:, None]
        rows, columns = torch.triu_indices(b, b, 1, device=blocks.device)
        together = (unit[:, :, rows] * unit[:, :, columns]).mean(1)
        told.append(torch.atanh(together.clamp(-0.9999, 0.9999)))
    return torch.cat(told, 1)


def find_blocks(x: Tensor, y: Tensor) -> tuple[int, bool] | None:
    """Number of exchangeable blocks of y (n, M) and whether they are interleaved; None where the order of
    components counts, or there are too few rows to tell."""
    if len(y) < _FEWEST_ROWS:
        return None
    x, y = x[:_ROWS].double().cpu(), y[:_ROWS].double().cpu()
    width = y.shape[1]
    for b in range(1, width // 2 + 1):
        if width % b:
            continue
        for interleaved in (False, True) if b > 1 else (False,):
            if _exchangeable(x, y, width // b, interleaved):
                return width // b, interleaved
    return None


def _exchangeable(x: Tensor, y: Tensor, blocks: int, interleaved: bool) -> bool:
    generator = torch.Generator().manual_seed(1)
    places = as_blocks(torch.arange(y.shape[1])[None], blocks, interleaved)[0]
    count = (blocks - 1) * (_WAVES + _products(x, y[:, : places.shape[1]]))
    limit = -float(torch.special.ndtri(torch.tensor(_LEVEL / 2 / count, dtype=torch.float64)))
    for first in range(blocks - 1):
        pair = places[first : first + 2]
        columns = pair.flatten()
        kept, other = y[:, columns], y[:, pair.flip(0).flatten()]
        apart = _looked_at(x, kept, other, generator)
        error = apart.std(0) / math.sqrt(len(apart))
        scores = apart.mean(0).abs() / error.clamp(min=1e-12)
        if bool((scores[error > 1e-9] > limit).any()):
            return False
    return True


def _products(x: Tensor, block: Tensor) -> int:
    b = block.shape[1]
    return (1 + 2 * x.shape[1]) * (2 * b + b * (b + 1) // 2)


def _looked_at(x: Tensor, kept: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """r(x, y) − r(x, πy) (n, R); the first half of the columns of ``kept`` and ``other`` is a block."""
    before, after = (_moments(part[:, : part.shape[1] // 2]) for part in (kept, other))
    factors = torch.cat([torch.ones(len(x), 1).to(x), x, x.square()], 1)
    products = ((before - after)[:, :, None] * factors[:, None, :]).flatten(1)
    phase = 2 * math.pi * torch.rand(_WAVES, generator=generator, dtype=torch.float64)
    of_x = x @ _sparse(x.shape[1], generator) + phase
    of_y = _sparse(kept.shape[1], generator)
    waves = torch.cos(of_x + kept @ of_y) - torch.cos(of_x + other @ of_y)
    return torch.cat([products, waves], 1)


def _moments(block: Tensor) -> Tensor:
    """Of a block (n, b), tails drawn in: the components, their roots of size, their products."""
    drawn = torch.asinh(block)
    rows, columns = torch.triu_indices(block.shape[1], block.shape[1])
    return torch.cat([drawn, block.abs().sqrt(), drawn[:, rows] * drawn[:, columns]], 1)


def _sparse(width: int, generator: torch.Generator) -> Tensor:
    """Frequencies (width, R) of several sizes, two of them at most not zero in a wave."""
    size = 4 ** (2 * torch.rand(_WAVES, generator=generator, dtype=torch.float64) - 1)
    found = torch.zeros(width, _WAVES, dtype=torch.float64)
    for _ in range(2):
        place = torch.randint(width, (_WAVES,), generator=generator)
        drawn = torch.randn(_WAVES, generator=generator, dtype=torch.float64)
        found[place, torch.arange(_WAVES)] = size * drawn
    return found
