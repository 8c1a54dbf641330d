"""Whitening of observations, their normal scores, and distances to neighbours among reference ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.core.scale import nonzero

if TYPE_CHECKING:
    from torch import Tensor

#: Number of the neighbour whose distance is a score, and most components that are whitened together.
NEIGHBOUR, MOST_WHITENED = 5, 200
#: Names of the tensors that `rank_tensors` returns.
RANKS = ("quantiles", "rank_mean", "rank_whiten", "ranked")
#: Quantiles of each component behind its normal scores, and fewest reference observations for these.
LEVELS, FEWEST_RANKED = 63, 200


def neighbour_distance(points: Tensor, reference: Tensor) -> Tensor:
    """Return the distance (n,) of points (n, M) to the `NEIGHBOUR`-th nearest of ``reference`` (k, M)."""
    return torch.cdist(points, reference).kthvalue(min(NEIGHBOUR, len(reference)), dim=1).values


def rank_tensors(reference: Tensor) -> dict[str, Tensor]:
    """Return the tensors `RANKS` of reference observations (n, M); none for few rows or many components."""
    if len(reference) < FEWEST_RANKED or reference.shape[1] > MOST_WHITENED:
        return {}
    quantiles = torch.quantile(reference, _levels(), dim=0)
    normal = normal_scores(reference, quantiles)
    mean = normal.mean(0)
    whiten = whitening(normal - mean)
    rows = ((normal - mean) @ whiten).float().double()  # as it is stored
    return dict(zip(RANKS, (quantiles, mean, whiten.contiguous(), rows), strict=True))


def _levels() -> Tensor:
    return torch.arange(1, LEVELS + 1, dtype=torch.float64) / (LEVELS + 1)


def normal_scores(y: Tensor, quantiles: Tensor) -> Tensor:
    """Return the normal scores of observations (n, M), interpolated in the quantiles (`LEVELS`, M).

    Equal quantiles, as of counts, share the mean of their scores.
    """
    heights, columns = torch.special.ndtri(_levels()), []
    for values, knots in zip(y.T, quantiles.T, strict=True):
        _, group = torch.unique_consecutive(knots, return_inverse=True)
        shares = torch.zeros(len(knots), dtype=y.dtype).index_add_(0, group, heights)
        own = (shares / torch.bincount(group, minlength=len(knots)).clamp(min=1))[group]
        right = torch.searchsorted(knots.contiguous(), values.contiguous()).clamp(1, len(knots) - 1)
        step = nonzero(knots[right] - knots[right - 1])
        part = ((values - knots[right - 1]) / step).clamp(0, 1)
        columns.append(own[right - 1] + part * (own[right] - own[right - 1]))
    return torch.stack(columns, 1)


def whitening(centred: Tensor) -> Tensor:
    """Return the matrix (M, M) that whitens centred rows (n, M).

    Beyond `MOST_WHITENED` components, the reciprocal standard deviations (M,) instead.
    """
    if centred.shape[1] > MOST_WHITENED:
        return 1 / centred.std(0).clamp(min=1e-9)
    covariance = centred.T @ centred / max(1, len(centred) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    # a direction without variance in the training must still respond to a deviation
    floor = 1e-6 * values.max().clamp(min=1e-12)
    return vectors / values.clamp(min=floor).sqrt()
