"""Draws as counts in bins, and the regions of highest density that hold a given share of them.

Counts       of every variable and every pair of variables over fixed windows; they add up, so that a million
             draws are counted as they come, and drawing them costs the same as drawing a thousand.
Region       R_m = {x : p(x) >= t_m}, with the largest t_m for which R_m holds the share m of the draws. p is
             the histogram blurred by a Gaussian: it orders the bins; the share is counted and not blurred.
Blur         in bins, narrower for more draws (the n^(-1/6) of a kernel estimate in the plane).
Source       highest-density regions: Hyndman (1996), Computing and graphing highest density regions,
             The American Statistician 50(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from contourpy import contour_generator
from scipy.ndimage import gaussian_filter

#: Bins along each side of a pair, and of a variable by itself (a multiple).
BINS, FINE = 64, 128
#: Shares of the draws inside the drawn regions.
SHARES = (0.9, 0.5)
#: Blur in bins at this many draws.
_BLUR, _AT = 1.6, 2000
_LEAST_BLUR = 0.5


def pairs(count: int) -> tuple[tuple[int, int], ...]:
    """All (column, row) with column < row of a triangle of ``count`` variables."""
    return tuple(combinations(range(count), 2))


def places(draws: np.ndarray, windows: Sequence[Sequence[float]], bins: int) -> np.ndarray:
    """The bin (n, d) of each coordinate; -1 outside its window or not finite."""
    low, high = np.asarray(windows, dtype=np.float64).reshape(-1, 2).T
    scaled = (draws - low) * (bins / (high - low))
    inside = (scaled >= 0) & (scaled < bins)
    return np.where(inside, scaled, -1.0).astype(np.int32)


def counted(draws: np.ndarray, windows: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Counts of pairs (pair, row, column) and of single variables (variable, fine bin), int64.

    ``draws`` (n, d), one window (low, high) a variable. What lies outside is not counted.
    """
    fine = places(draws, windows, FINE)
    coarse = np.where(fine < 0, -1, fine // (FINE // BINS))
    singles = np.stack([np.bincount(column[column >= 0], minlength=FINE) for column in fine.T])
    found = np.zeros((len(pairs(draws.shape[1])), BINS, BINS), dtype=np.int64)
    for count, (i, j) in zip(found, pairs(draws.shape[1]), strict=True):
        both = (coarse[:, i] >= 0) & (coarse[:, j] >= 0)
        flat = coarse[both, j] * BINS + coarse[both, i]
        count[:] = np.bincount(flat, minlength=BINS * BINS).reshape(BINS, BINS)
    return found, singles


def smoothed(counts: np.ndarray, total: int) -> np.ndarray:
    """Counts (…, row, column) or (…, bin) blurred over their last axes; same sum but for what the rim
    loses."""
    width = max(_LEAST_BLUR, _BLUR * (max(total, 1) / _AT) ** (-1 / 6))
    spread = 2 if counts.ndim == 3 else 1
    width *= 1 if spread == 2 else FINE / BINS
    sigma = (0,) * (counts.ndim - spread) + (width,) * spread
    return gaussian_filter(counts.astype(np.float64), sigma, mode="constant", truncate=3.0)


def relief(counts: np.ndarray, total: int) -> np.ndarray:
    """Density of every pair (pair, row, column) as a height that is 1 at its peak, float32."""
    blurred = smoothed(counts, total)
    peak = blurred.max((1, 2), keepdims=True, initial=0.0)
    return (blurred / np.where(peak > 0, peak, 1.0)).astype(np.float32)


def levels(density: np.ndarray, counts: np.ndarray, shares: Sequence[float], total: int) -> list[float]:
    """For each share the largest t for which the bins with ``density`` >= t hold that share of ``total``
    draws.

    Where the window does not hold as many, the smallest density of a bin that is not empty; infinite where
    all of its bins are empty.
    """
    order = np.argsort(density, axis=None)[::-1]
    ordered, counted_there = density.reshape(-1)[order], counts.reshape(-1)[order]
    filled = np.flatnonzero(counted_there)
    if not len(filled):
        return [float("inf")] * len(shares)
    held = np.cumsum(counted_there)
    places = [min(int(np.searchsorted(held, share * total)), filled[-1]) for share in shares]
    return [float(ordered[place]) for place in places]


def outlines(counts: np.ndarray, total: int, shares: Sequence[float] = SHARES) -> list[list[np.ndarray]]:
    """For every pair and share the region's outlines in units of the window: an (k, 2) array with columns
    horizontal and vertical between 0 and 1, outlines separated by NaN."""
    blurred = smoothed(counts, total)
    # a rim of nothing closes the outlines of what reaches the window's edge
    edge = (np.arange(-1, BINS + 1) + 0.5) / BINS
    edge[0], edge[-1] = 0.0, 1.0
    found = []
    for density, count in zip(blurred, counts, strict=True):
        lines = contour_generator(edge, edge, np.pad(density, 1))
        found.append([_joined(lines, at) for at in levels(density, count, shares, total)])
    return found


def _joined(lines: object, at: float) -> np.ndarray:
    pieces = lines.lines(at) if np.isfinite(at) and at > 0 else []
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for piece in pieces for part in (piece, gap)]) if pieces else gap
