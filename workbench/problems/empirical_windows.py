"""What plots need of a problem that is known by its draws alone."""

from __future__ import annotations

import numpy as np

from workbench.problems.base import Window


def quantile_window(values: np.ndarray) -> Window:
    """(low, high) a column of (n, k): the 0.5 % to 99.5 % quantiles, widened by a twentieth on both sides."""
    window = []
    for column in values.T:
        low, high = np.quantile(column, [0.005, 0.995])
        if not low < high:
            low, high = column.min(), column.max()  # nearly all values are the same
        pad = 0.05 * (high - low) or 0.5
        window.append((float(low - pad), float(high + pad)))
    return tuple(window)


def typical_row(values: np.ndarray) -> tuple[float, ...]:
    """The row of (n, k) nearest to the median in units of each column's standard deviation: it did occur."""
    if values.shape[1] == 0:
        return ()
    scale = values.std(axis=0)
    distance = (((values - np.median(values, axis=0)) / np.where(scale > 0, scale, 1.0)) ** 2).sum(axis=1)
    return tuple(float(v) for v in values[int(distance.argmin())])
