"""Features of y: y itself, and normal scores of the components with skewed or heavy-tailed distributions.

forward   c = (y, s); s_j = 0 for a component j close to normal, and otherwise
          s_j = g(s₀ + a y_j + Σ_k d_k max(y_j − t_k, 0)): piecewise linear within g, maps quantiles of the
          data to those of the standard normal distribution
beyond    g(v) = v up to the outermost quantile L in magnitude, and sign(v) (L + R (1 − e^{(L − |v|)/R}))
          beyond: behind an edge of the data the last slope is steep, and v would soon be in the hundreds
fit       from quantiles of the data; a component is far from normal where its skewness is above 1/2 in
          magnitude or its excess kurtosis above 1
Source: rank-based normal scores (van der Waerden 1952), interpolated.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.core.scale import nonzero

_SKEW, _KURTOSIS = 0.5, 1.0
#: Spread of a standardised component up to which it counts as constant.
_CONSTANT = 1e-6
#: R of the equations, and the limit L of scores that are not bounded.
_ROOM, _UNBOUNDED = 2.0, 1e30
#: Levels of the quantiles.
_LEVELS = (
    *(0.001, 0.005, 0.02, 0.06, 0.13, 0.22, 0.33, 0.44, 0.5),
    *(0.56, 0.67, 0.78, 0.87, 0.94, 0.98, 0.995, 0.999),
)


class NormalScores(nn.Module):
    """y (n, M) -> c (n, 2 M), y and its normal scores, which are zero until `prepare`. Nothing is learned."""

    def __init__(self, context: int) -> None:
        super().__init__()
        pieces = len(_LEVELS) - 1
        self.register_buffer("knots", torch.zeros(context, pieces))
        self.register_buffer("bends", torch.zeros(context, pieces))
        self.register_buffer("start", torch.zeros(context))
        self.register_buffer("slope", torch.zeros(context))
        self.register_buffer("limit", torch.full((context,), _UNBOUNDED))

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        # a version without limits stored none
        state.setdefault(prefix + "limit", torch.full_like(self.limit, _UNBOUNDED))
        super()._load_from_state_dict(state, prefix, *args, **settings)

    def forward(self, y: Tensor, beside: Tensor | None = None) -> Tensor:
        """Return c (n, 2 M): y (n, M), or ``beside`` (n, M) if given, followed by the normal scores of y."""
        bent = (torch.relu(y[..., None] - self.knots) * self.bends).sum(-1)
        score = self.start + self.slope * y + bent
        size = score.abs()
        beyond = _ROOM * -torch.expm1(-torch.relu(size - self.limit) / _ROOM)
        score = torch.sign(score) * (torch.minimum(size, self.limit) + beyond)
        return torch.cat([y if beside is None else beside, score], -1)

    @torch.no_grad()
    def prepare(self, y: Tensor, *, whole: bool = False) -> None:
        """Fit the scores to data y (n, M).

        The score of a component close to normal is 0, or if ``whole`` the standardised component.
        """
        rows = y.double()
        spread = rows.std(0, unbiased=False)
        spread = torch.where(spread > _CONSTANT, spread, torch.zeros_like(spread))
        unit = (rows - rows.mean(0)) / nonzero(spread)
        far = (unit.pow(3).mean(0).abs() > _SKEW) | (unit.pow(4).mean(0) - 3 > _KURTOSIS)
        levels = torch.tensor(_LEVELS, dtype=torch.float64, device=y.device)
        heights = torch.special.ndtri(levels)
        if whole:
            self.slope.copy_(torch.where(spread > 0, 1 / nonzero(spread), 0.0))
            self.start.copy_(-rows.mean(0) * self.slope)
        for j in far.nonzero()[:, 0].tolist():
            self._interpolate(j, torch.quantile(rows[:, j][:1_000_000], levels), heights)

    def _interpolate(self, j: int, places: Tensor, heights: Tensor) -> None:
        """Store as the score of component j the piecewise linear function through (places, heights).

        ``places`` are quantiles of the data, ``heights`` those of N(0, 1) at the same levels. Equal
        quantiles, as of counts, are merged; with fewer than three different ones nothing is stored.
        """
        where, which = torch.unique_consecutive(places, return_inverse=True)
        if len(where) < 3:
            return
        value = torch.zeros(len(where)).to(heights).index_add_(0, which, heights)
        value = value / torch.bincount(which)
        slopes = value.diff() / where.diff()
        bends = torch.zeros(self.knots.shape[1]).to(heights)
        knots = torch.zeros_like(bends)
        bends[: len(slopes) - 1], knots[: len(slopes) - 1] = slopes.diff(), where[1:-1]
        self.bends[j].copy_(bends)
        self.knots[j].copy_(knots)
        self.slope[j] = slopes[0]
        self.start[j] = value[0] - slopes[0] * where[0]
        self.limit[j] = -heights[0]
