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


def span(data: xr.Dataset, column: str, **where: Any) -> tuple[float, float] | None:
    """Smallest and largest finite value of a column over the cells that ``where`` picks; None without any."""
    if column not in data:
        return None
    values = data[column].values.astype(float)
    picked = np.isfinite(values)
    for name, value in where.items():
        picked &= data[name].values == value
    return (float(values[picked].min()), float(values[picked].max())) if picked.any() else None


def apart(first: tuple[float, float] | None, second: tuple[float, float] | None) -> str:
    """How repetitions of one thing lie to those of another: lower, higher, or "" where they overlap."""
    if first is None or second is None:
        return ""
    return "lower" if first[1] < second[0] else "higher" if first[0] > second[1] else ""


def falls(means: dict[Any, float]) -> int:
    """How many of the steps from one value to the next go down."""
    values = list(means.values())
    return sum(b < a for a, b in zip(values, values[1:], strict=False))
