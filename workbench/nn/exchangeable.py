"""Test whether an observation is a set of exchangeable blocks, and features of such a set.

question  has (x, y) the same distribution as (x, y with two blocks exchanged)? Tested for blocks of every
          size that divides M, the number of components of y, contiguous or interleaved, the smallest first
test      under exchangeability the paired differences r(x, y) − r(x, πy) have mean zero for every function r.
          The functions are products of one or two components and random waves cos(w·x + v·y + φ) of few
          components each; the largest z-score is tested at a level corrected for their number (Bonferroni).
          One significant difference for one exchange of neighbours rejects exchangeability
features  c = (blocks sorted by their first component, s), s: means, log standard deviations and correlations
          (Fisher's z) of a block's components over the blocks, the last only if all fit into M numbers. They
          do not depend on the order of the blocks. Where the order matters, c = (y, y)
Source: de Finetti 1937 (exchangeability); Zaheer et al. 2017, Deep sets, arXiv:1703.06114 (features of sets);
        the characteristic function as test: Epps & Singleton 1986. The combination: this project.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Most rows and number of random waves of a test, and its significance level.
_ROWS, _WAVES, _LEVEL = 10_000, 600, 1e-3
_FEWEST_ROWS = 200
#: Added to standard deviations over the blocks, as a fraction of that over all blocks of all data.
_FLOOR = 1e-4


class Exchangeable(nn.Module):
    """Two groups of features of y (n, M) that do not depend on the order of exchangeable blocks, each (n, M).

    They are y itself, twice, unless `prepare` finds that y is a set of such blocks. Nothing is learned.

    Attributes
    ----------
    layout : number of blocks and whether they are interleaved; None where the order matters.
    """

    def __init__(self, context: int) -> None:
        super().__init__()
        # number of blocks (0: the order matters), and whether they are interleaved
        self.register_buffer("blocks", torch.zeros((), dtype=torch.long))
        self.register_buffer("interleaved", torch.zeros((), dtype=torch.bool))
        self.register_buffer("floor", torch.zeros(context))
        # the same as Python values: a traced graph holds one branch only
        self.layout: tuple[int, bool] | None = None

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        if prefix + "blocks" not in state:  # stored by a version without this test
            state.update({prefix + name: value for name, value in self.named_buffers()})
            state[prefix + "blocks"] = torch.zeros_like(self.blocks)
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.layout = (int(self.blocks), bool(self.interleaved)) if self.blocks else None

    @torch.no_grad()
    def prepare(self, x: Tensor, y: Tensor) -> None:
        """Test whether y (n, M) is a set of exchangeable blocks, given x (n, D); store the blocks' layout."""
        self.layout = find_blocks(x, y)
        if self.layout is not None:
            self.blocks.fill_(self.layout[0])
            self.interleaved.fill_(self.layout[1])
            block = as_blocks(y, *self.layout)
            self.floor[: block.shape[2]].copy_(_FLOOR * block.flatten(0, 1).std(0))

    def keep_order(self) -> None:
        """Treat the order of the components of y as one that matters, whatever `prepare` decided."""
        self.layout = None
        self.blocks.zero_()
        self.interleaved.zero_()
        self.floor.zero_()

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sorted blocks (n, M), and statistics over the blocks padded with zeros (n, M).

        Both are y itself where the order of its components matters.
        """
        if self.layout is None:
            return y, y
        blocks = as_blocks(y, *self.layout)
        order = blocks[:, :, :1].argsort(1).expand_as(blocks)
        statistics = summary(blocks, self.floor[: blocks.shape[2]], y.shape[1])
        padding = (0, y.shape[1] - statistics.shape[1])
        return blocks.gather(1, order).flatten(1), nn.functional.pad(statistics, padding)


def as_blocks(y: Tensor, blocks: int, interleaved: bool) -> Tensor:
    """Split y (n, M) into m ``blocks`` of b components: (n, m, b)."""
    return y.unflatten(1, (-1, blocks)).mT if interleaved else y.unflatten(1, (blocks, -1))


def summary(blocks: Tensor, floor: Tensor, room: int) -> Tensor:
    """Return statistics (n, F) over the m blocks of each row of ``blocks`` (n, m, b).

    They are the means of the b components, the logarithms of their standard deviations plus ``floor`` (b,)
    and, if F stays within ``room``, the correlations of the components (Fisher's z).
    """
    mean = blocks.mean(1)
    deviations = blocks - mean[:, None]
    spread = deviations.square().mean(1).sqrt()
    parts, b = [mean, torch.log(spread + floor)], blocks.shape[2]
    if 2 * b + b * (b - 1) // 2 <= room and b > 1 and blocks.shape[1] > 2:
        unit = deviations / (spread + floor)[:, None]
        rows, columns = torch.triu_indices(b, b, 1, device=blocks.device)
        correlation = (unit[:, :, rows] * unit[:, :, columns]).mean(1)
        parts.append(torch.atanh(correlation.clamp(-0.9999, 0.9999)))
    return torch.cat(parts, 1)


def find_blocks(x: Tensor, y: Tensor) -> tuple[int, bool] | None:
    """Return the number of exchangeable blocks of y (n, M) and whether they are interleaved.

    None where the order of the components matters, or where there are too few rows for a test.
    """
    if len(y) < _FEWEST_ROWS:
        return None
    x, y = x[:_ROWS].double().cpu(), y[:_ROWS].double().cpu()
    width = y.shape[1]
    for b in range(1, width // 2 + 1):
        if width % b:
            continue
        for interleave in (False, True) if b > 1 else (False,):
            if _exchangeable(x, y, width // b, interleave):
                return width // b, interleave
    return None


def _exchangeable(x: Tensor, y: Tensor, blocks: int, interleaved: bool) -> bool:
    """True unless exchanging some pair of neighbouring blocks significantly changes the distribution."""
    generator = torch.Generator().manual_seed(1)
    places = as_blocks(torch.arange(y.shape[1])[None], blocks, interleaved)[0]
    count = (blocks - 1) * (_WAVES + _product_count(x, y[:, : places.shape[1]]))
    limit = -float(torch.special.ndtri(torch.tensor(_LEVEL / 2 / count, dtype=torch.float64)))
    for first in range(blocks - 1):
        pair = places[first : first + 2]
        original, swap = y[:, pair.flatten()], y[:, pair.flip(0).flatten()]
        differences = _differences(x, original, swap, generator)
        error = differences.std(0) / math.sqrt(len(differences))
        scores = differences.mean(0).abs() / error.clamp(min=1e-12)
        if bool((scores[error > 1e-9] > limit).any()):
            return False
    return True


def _product_count(x: Tensor, block: Tensor) -> int:
    b = block.shape[1]
    return (1 + 2 * x.shape[1]) * (2 * b + b * (b + 1) // 2)


def _differences(x: Tensor, original: Tensor, swap: Tensor, generator: torch.Generator) -> Tensor:
    """Differences r(x, y) − r(x, πy) (n, R) of R test functions r, where π exchanges two blocks of y.

    ``original`` (n, 2 b) holds the two neighbouring blocks, and ``swap`` the same blocks exchanged.
    """
    before, after = (_moments(part[:, : part.shape[1] // 2]) for part in (original, swap))
    factors = torch.cat([torch.ones(len(x), 1).to(x), x, x.square()], 1)
    products = ((before - after)[:, :, None] * factors[:, None, :]).flatten(1)
    phase = 2 * math.pi * torch.rand(_WAVES, generator=generator, dtype=torch.float64)
    of_x = x @ _sparse_frequencies(x.shape[1], generator) + phase
    of_y = _sparse_frequencies(original.shape[1], generator)
    waves = torch.cos(of_x + original @ of_y) - torch.cos(of_x + swap @ of_y)
    return torch.cat([products, waves], 1)


def _moments(block: Tensor) -> Tensor:
    """Test functions of a block (n, b): asinh y_j, |y_j|^½, and the products of two of the asinh y_j."""
    compact = torch.asinh(block)
    rows, columns = torch.triu_indices(block.shape[1], block.shape[1])
    return torch.cat([compact, block.abs().sqrt(), compact[:, rows] * compact[:, columns]], 1)


def _sparse_frequencies(width: int, generator: torch.Generator) -> Tensor:
    """Random frequencies (width, R) of R waves, on several scales; at most two entries per wave are not 0."""
    scale = 4 ** (2 * torch.rand(_WAVES, generator=generator, dtype=torch.float64) - 1)
    frequencies = torch.zeros(width, _WAVES, dtype=torch.float64)
    for _ in range(2):
        place = torch.randint(width, (_WAVES,), generator=generator)
        normal = torch.randn(_WAVES, generator=generator, dtype=torch.float64)
        frequencies[place, torch.arange(_WAVES)] = scale * normal
    return frequencies
