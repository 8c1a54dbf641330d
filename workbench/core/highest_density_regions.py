"""Bin counts of draws, and the highest-density regions that hold a given fraction of them.

Counts       for every variable and every pair of variables, over fixed plotted ranges (windows). Counts of
             several batches of draws are added, and plotting a million draws costs no more than a thousand.
Region       R_m = {x : p(x) >= t_m}, with the largest t_m for which R_m holds the fraction m of the draws. p
             is the histogram blurred by a Gaussian; it orders the bins, whose draws are counted unblurred.
Blur         standard deviation s n^(-1/6), the bandwidth of a kernel density estimate in two dimensions from
             n draws of spread s; never more than a fixed number of bins, so that modes stay apart, and never
             less than half a bin.
Source       highest-density regions: Hyndman (1996), Computing and graphing highest density regions,
             The American Statistician 50(2). Bandwidth: Silverman (1986), Density Estimation, 4.3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from contourpy import ContourGenerator
#: Bins per variable in the histogram of a pair, and in that of a single variable (a multiple of it).
BINS, FINE = 64, 256
#: Fractions of the draws inside the plotted regions.
SHARES = (0.9, 0.5)
#: Largest blur in bins, at this number of draws (it shrinks with more), and smallest blur in bins.
_BLUR, _BLUR_DRAWS = 1.6, 2000
_LEAST_BLUR = 0.5
#: Distance between the quartiles of a normal distribution, in standard deviations.
_QUARTILES = 1.349


def pairs(count: int) -> tuple[tuple[int, int], ...]:
    """Return all (column, row) with column < row: the cells below the diagonal of a corner plot."""
    return tuple(combinations(range(count), 2))


def bin_indices(draws: np.ndarray, windows: Sequence[Sequence[float]], bins: int) -> np.ndarray:
    """Return the bin index (n, d) of each coordinate of draws (n, d); -1 for NaN or outside ``windows``."""
    low, high = np.asarray(windows, dtype=np.float64).reshape(-1, 2).T
    position = (draws - low) * (bins / (high - low))
    inside = (position >= 0) & (position < bins)
    return np.where(inside, position, -1.0).astype(np.int32)


def bin_counts(draws: np.ndarray, windows: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Count draws (n, d) in bins, int64: for pairs (pair, row, column), for variables (variable, fine bin).

    ``windows`` are the binned ranges (low, high) of the variables; draws outside are not counted.
    """
    fine = bin_indices(draws, windows, FINE)
    coarse = np.where(fine < 0, -1, fine // (FINE // BINS))
    singles = np.stack([np.bincount(column[column >= 0], minlength=FINE) for column in fine.T])
    counts = np.zeros((len(pairs(draws.shape[1])), BINS, BINS), dtype=np.int64)
    for count, (i, j) in zip(counts, pairs(draws.shape[1]), strict=True):
        both = (coarse[:, i] >= 0) & (coarse[:, j] >= 0)
        flat = coarse[both, j] * BINS + coarse[both, i]
        count[:] = np.bincount(flat, minlength=BINS * BINS).reshape(BINS, BINS)
    return counts, singles


def spreads(draws: np.ndarray, windows: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the spread (d,) of draws (n, d), each divided by the width of the variable's window (low, high).

    It is the smaller one of the standard deviation and that of the normal distribution with the same
    quartiles; infinite without draws.
    """
    if not len(draws):
        return np.full(draws.shape[1], np.inf)
    low, high = np.asarray(windows, dtype=np.float64).reshape(-1, 2).T
    quartiles = np.subtract(*np.quantile(draws, [0.75, 0.25], axis=0)) / _QUARTILES
    return np.minimum(draws.std(0), quartiles) / (high - low)


def blur(total: int, spread: np.ndarray, bins: int) -> np.ndarray:
    """Return the standard deviation (d,) of the blur in bins, for windows with ``bins`` bins.

    ``total`` is the number of draws, ``spread`` (d,) as from `spreads`.
    """
    shrink = max(total, 1) ** (-1 / 6)
    most = _BLUR * _BLUR_DRAWS ** (1 / 6) * shrink * bins / BINS
    return np.clip(spread * bins * shrink, _LEAST_BLUR, max(most, _LEAST_BLUR))


def smooth(counts: np.ndarray, total: int, spread: np.ndarray) -> np.ndarray:
    """Blur counts of pairs (pair, row, column) or of single variables (variable, bin) with a Gaussian.

    The sum is preserved, except for the loss at the edges. ``total`` is the number of draws, ``spread`` (d,)
    as from `spreads`.
    """
    from scipy.ndimage import gaussian_filter

    width = blur(total, spread, counts.shape[-1])
    sides = [(width[j], width[i]) for i, j in pairs(len(spread))] if counts.ndim == 3 else width
    densities = [
        gaussian_filter(each.astype(np.float64), sigma, mode="constant", truncate=3.0)
        for each, sigma in zip(counts, sides, strict=True)
    ]
    return np.stack(densities) if densities else counts.astype(np.float64)


def relative_density(counts: np.ndarray, total: int, spread: np.ndarray) -> np.ndarray:
    """Return the blurred density of every pair (pair, row, column) relative to its peak, float32."""
    densities = smooth(counts, total, spread)
    peak = densities.max((1, 2), keepdims=True, initial=0.0)
    return (densities / np.where(peak > 0, peak, 1.0)).astype(np.float32)


def levels(density: np.ndarray, counts: np.ndarray, shares: Sequence[float], total: int) -> list[float]:
    """Return the density thresholds of the regions that hold the fractions ``shares`` of ``total`` draws.

    For each fraction, the largest t for which the bins with ``density`` >= t hold it. Where all bins together
    hold fewer draws, the smallest density of a bin that is not empty; infinite where all are empty.
    """
    order = np.argsort(density, axis=None)[::-1]
    heights, contents = density.reshape(-1)[order], counts.reshape(-1)[order]
    nonempty = np.flatnonzero(contents)
    if not len(nonempty):
        return [float("inf")] * len(shares)
    cumulative = np.cumsum(contents)
    ends = [min(int(np.searchsorted(cumulative, share * total)), nonempty[-1]) for share in shares]
    return [float(heights[end]) for end in ends]


def outlines(
    counts: np.ndarray, total: int, spread: np.ndarray, shares: Sequence[float] = SHARES
) -> list[list[np.ndarray]]:
    """Return the outline of the region for every pair of variables and every fraction of the draws.

    Each is an array (k, 2) of horizontal and vertical positions, as fractions of the plotted range (0 to 1),
    with a NaN row between separate closed lines.
    """
    from contourpy import contour_generator

    densities = smooth(counts, total, spread)
    # an empty rim closes the outlines of regions that reach the edge of the window
    edge = (np.arange(-1, BINS + 1) + 0.5) / BINS
    edge[0], edge[-1] = 0.0, 1.0
    result = []
    for density, count in zip(densities, counts, strict=True):
        contours = contour_generator(edge, edge, np.pad(density, 1))
        result.append([_join(contours, level) for level in levels(density, count, shares, total)])
    return result


def in_corner(lines: list[np.ndarray], count: int) -> np.ndarray:
    """Move each outline into its unit square of the corner plot, and join all to one line (k, 2).

    ``lines`` hold one outline, with NaN rows as gaps, per pair of the ``count`` variables.
    """
    cells = [
        line + (column, count - 1 - row) for line, (column, row) in zip(lines, pairs(count), strict=True)
    ]
    return np.concatenate(cells) if cells else np.empty((0, 2))


def _join(contours: ContourGenerator, level: float) -> np.ndarray:
    pieces = contours.lines(level) if np.isfinite(level) and level > 0 else []
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for piece in pieces for part in (piece, gap)]) if pieces else gap
