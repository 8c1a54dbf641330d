"""Means over the cells of a study's Dataset, for the sentences below its table."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def grouped(data: xr.Dataset, column: str, by: str, **where: Any) -> dict[Any, float]:
    """Mean of a column over the finished cells, by the values of one coordinate, in the grid's order.

    ``where`` picks cells by other coordinates. Values that are not finite, and groups without any, are left
    out.
    """
    if column not in data:
        return {}
    picked = np.isfinite(data[column].values.astype(float))
    for name, value in where.items():
        picked &= data[name].values == value
    keys = data[by].values
    return {
        key.item(): float(data[column].values[picked & (keys == key)].astype(float).mean())
        for key in dict.fromkeys(keys)
        if (picked & (keys == key)).any()
    }


def falls(means: dict[Any, float]) -> int:
    """How many of the steps from one value to the next go down."""
    values = list(means.values())
    return sum(b < a for a, b in zip(values, values[1:], strict=False))
