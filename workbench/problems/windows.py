"""Plot limits (a square around the origin, quantiles of samples), and the most typical row of samples."""

from __future__ import annotations

import numpy as np

from workbench.problems.base import Window


def square(half_width: float) -> Window:
    """Return plot limits of a square centred on the origin, its half width rounded up to a tenth."""
    edge = round(half_width + 0.05, 1)
    return ((-edge, edge), (-edge, edge))


def quantile_window(values: np.ndarray) -> Window:
    """Return plot limits (low, high) of each column of ``values`` (n, k).

    The limits are the 0.5 % and 99.5 % quantiles, widened on both sides by 5 % of their distance.
    """
    window = []
    for column in values.T:
        low, high = np.quantile(column, [0.005, 0.995])
        if not low < high:
            low, high = column.min(), column.max()  # nearly all values are equal
        pad = 0.05 * (high - low) or 0.5
        window.append((float(low - pad), float(high + pad)))
    return tuple(window)


def typical_row(values: np.ndarray) -> tuple[float, ...]:
    """Return the row of ``values`` (n, k) nearest to the columns' medians in units of standard deviations.

    Unlike the vector of medians, such a row occurs in the data. Empty for k = 0.
    """
    if values.shape[1] == 0:
        return ()
    scale = values.std(axis=0)
    distance = (((values - np.median(values, axis=0)) / np.where(scale > 0, scale, 1.0)) ** 2).sum(axis=1)
    return tuple(float(v) for v in values[int(distance.argmin())])
