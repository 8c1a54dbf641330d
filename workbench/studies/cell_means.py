"""Means over the cells of a study's Dataset, for the sentences below its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def grouped(data: xr.Dataset, column: str, by: str, **where: Any) -> dict[Any, float]:
    """Return a dict: value of the coordinate ``by`` -> mean of ``column`` over a study's cells with it.

    A cell is one trained combination of a study's settings, its coordinates are these settings; values appear
    in the order of the grid of cells. ``where`` keeps only cells with given values of other coordinates.
    Cells without a number, such as unfinished ones, are left out, and so are values of ``by`` without any; an
    infinite number makes its mean infinite.
    """
    if column not in data:
        return {}
    selection = ~np.isnan(data[column].values.astype(float))
    for name, value in where.items():
        selection &= data[name].values == value
    keys = data[by].values
    return {
        key.item(): float(data[column].values[selection & (keys == key)].astype(float).mean())
        for key in dict.fromkeys(keys)
        if (selection & (keys == key)).any()
    }


def span(data: xr.Dataset, column: str, **where: Any) -> tuple[float, float] | None:
    """Smallest and largest value of a column over the cells with the coordinates ``where``, which may be
    infinite; None where there is no value."""
    if column not in data:
        return None
    values = data[column].values.astype(float)
    selection = ~np.isnan(values)
    for name, value in where.items():
        selection &= data[name].values == value
    return (float(values[selection].min()), float(values[selection].max())) if selection.any() else None


def apart(first: tuple[float, float] | None, second: tuple[float, float] | None) -> str:
    """Compare two ranges: "lower" or "higher" where the first lies wholly below or above the second, and
    "" where they overlap or one of them is None."""
    if first is None or second is None:
        return ""
    return "lower" if first[1] < second[0] else "higher" if first[0] > second[1] else ""


def falls(means: dict[Any, float]) -> int:
    """Number of decreases between consecutive values of ``means``."""
    values = list(means.values())
    return sum(b < a for a, b in zip(values, values[1:], strict=False))
