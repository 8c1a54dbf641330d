"""Draws as counts in bins, and the regions of highest density that hold a given share of them.

Counts       of every variable and every pair of variables over fixed windows; they add up, so that a million
             draws are counted as they come, and drawing them costs the same as drawing a thousand.
Region       R_m = {x : p(x) >= t_m}, with the largest t_m for which R_m holds the share m of the draws. p is
             the histogram blurred by a Gaussian: it orders the bins; the share is counted and not blurred.
Blur         the bandwidth s n^(-1/6) of a kernel estimate in the plane, s the spread of the draws; never
             more than a fixed number of bins, so that modes stay apart, and never less than half of one.
Source       highest-density regions: Hyndman (1996), Computing and graphing highest density regions,
             The American Statistician 50(2). Bandwidth: Silverman (1986), Density Estimation, 4.3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from contourpy import contour_generator
from scipy.ndimage import gaussian_filter

#: Bins along each side of a pair, and of a variable by itself (a multiple).
BINS, FINE = 64, 256
#: Shares of the draws inside the drawn regions.
SHARES = (0.9, 0.5)
#: The most and the least blur, in bins; the most at this many draws.
_BLUR, _AT = 1.6, 2000
_LEAST_BLUR = 0.5
#: A normal law's quartiles lie this many standard deviations apart.
_QUARTILES = 1.349


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


def spreads(draws: np.ndarray, windows: Sequence[Sequence[float]]) -> np.ndarray:
    """Spread (d,) of draws (n, d) in units of their windows: the standard deviation, or that of the normal
    law with the same quartiles where this is smaller. Without draws it is infinite."""
    if not len(draws):
        return np.full(draws.shape[1], np.inf)
    low, high = np.asarray(windows, dtype=np.float64).reshape(-1, 2).T
    quartiles = np.subtract(*np.quantile(draws, [0.75, 0.25], axis=0)) / _QUARTILES
    return np.minimum(draws.std(0), quartiles) / (high - low)


def blur(total: int, spread: np.ndarray, bins: int) -> np.ndarray:
    """Standard deviation (d,) of the blur in bins of which a window has so many."""
    shrink = max(total, 1) ** (-1 / 6)
    most = _BLUR * _AT ** (1 / 6) * shrink * bins / BINS
    return np.clip(spread * bins * shrink, _LEAST_BLUR, max(most, _LEAST_BLUR))


def smoothed(counts: np.ndarray, total: int, spread: np.ndarray) -> np.ndarray:
    """Counts of pairs (pair, row, column) or of single variables (variable, bin) blurred; same sum but for
    what the rim loses. ``spread`` (d,) of the variables in units of their windows."""
    width = blur(total, spread, counts.shape[-1])
    sides = [(width[j], width[i]) for i, j in pairs(len(spread))] if counts.ndim == 3 else width
    made = [
        gaussian_filter(each.astype(np.float64), sigma, mode="constant", truncate=3.0)
        for each, sigma in zip(counts, sides, strict=True)
    ]
    return np.stack(made) if made else counts.astype(np.float64)


def relief(counts: np.ndarray, total: int, spread: np.ndarray) -> np.ndarray:
    """Density of every pair (pair, row, column) as a height that is 1 at its peak, float32."""
    blurred = smoothed(counts, total, spread)
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


def outlines(
    counts: np.ndarray, total: int, spread: np.ndarray, shares: Sequence[float] = SHARES
) -> list[list[np.ndarray]]:
    """For every pair and share the region's outlines in units of the window: an (k, 2) array with columns
    horizontal and vertical between 0 and 1, outlines separated by NaN."""
    blurred = smoothed(counts, total, spread)
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
