"""Data of a study's plots, computed from its Dataset alone, so that stored results are plotted like new
ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from workbench.core.entries import public
from workbench.core.errors import RunError
from workbench.studies.base import STUDIES, Figure
from workbench.studies.table import attribute, columns


@public
def figure_data(data: xr.Dataset, column: str) -> xr.Dataset:
    """Return the Dataset for ``plots.trends`` of one column, with dimensions series (a curve) and place (a
    position on the horizontal axis): mean, smallest and largest value of the finished cells, and mean of
    the published numbers.

    Raises `RunError` where the study declares no figure, or the result lacks this column.
    """
    figure = figure_of(data)
    columns_by_name = {c.name: c for c in columns(data)}
    if column not in columns_by_name or column not in data:
        raise RunError("This result has no such column", expected=", ".join(columns_by_name), found=column)
    cells = [_place(data, i) for i in range(data.sizes["cell"])]
    along = list(dict.fromkeys(_name(cell, figure.along) for cell in cells))
    series = list(dict.fromkeys(_name(cell, figure.series) for cell in cells))
    values: dict[tuple[int, int], list[float]] = {}
    others: dict[tuple[int, int], set[float]] = {}
    references = [f for f in json.loads(attribute(data, "published")) if f["column"] == column]
    for cell, value in zip(cells, data[column].values.astype(float), strict=True):
        key = series.index(_name(cell, figure.series)), along.index(_name(cell, figure.along))
        if not np.isnan(value):  # an infinite value is drawn at the end of the axis
            values.setdefault(key, []).append(float(value))
        theirs = (f["value"] for f in references if f["row"].items() <= cell.items())
        others.setdefault(key, set()).update(theirs)
    names = ("mean", "low", "high", "published")
    arrays = {name: np.full((len(series), len(along)), np.nan) for name in names}
    for key, each in values.items():
        arrays["mean"][key], arrays["low"][key], arrays["high"][key] = np.mean(each), min(each), max(each)
    for key, each in others.items():
        if each:
            arrays["published"][key] = np.mean(sorted(each))
    return xr.Dataset(
        {name: (("series", "place"), v) for name, v in arrays.items()},
        coords={"series": series, "place": along},
        attrs={
            "title": "",
            "horizontal_label": ", ".join(name.replace("_", " ") for name in figure.along),
            "vertical_label": columns_by_name[column].label,
            "horizontal_window": [-0.6, len(along) - 0.4],
            "vertical_window": _window(arrays, log=figure.log),
            "log": int(figure.log),
            "connected": int(figure.connected),
        },
    )


def figure_of(data: xr.Dataset) -> Figure:
    """Return the figure that the Dataset's study declares. Raises `RunError` where it declares none."""
    key = attribute(data, "study")
    if key not in STUDIES or STUDIES[key].figure is None:
        raise RunError(f"The study '{key}' has no figure", expected="a study that declares one")
    return STUDIES[key].figure


@public
def figures(data: xr.Dataset) -> list[xr.Dataset]:
    """Datasets for ``plots.figure``, one for each measured column of the study's figure.

    Raises `RunError` where the study has no figure.
    """
    return [figure_data(data, name) for name in figure_of(data).columns if name in data]


def _place(data: xr.Dataset, i: int) -> dict[str, Any]:
    return {name: data[name].values[i].item() for name in json.loads(attribute(data, "axes"))}


def _name(cell: dict[str, Any], names: tuple[str, ...]) -> str:
    values = [cell[name] for name in names]
    words = [f"{v:g}" if isinstance(v, int | float) else str(v).replace("_", " ") for v in values]
    return ", ".join(words) or "all"


def _window(arrays: dict[str, np.ndarray], *, log: bool) -> list[float]:
    values = np.concatenate([v.ravel() for v in arrays.values()])
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not len(values):
        return [0.1, 1.0] if log else [0.0, 1.0]
    low, high = float(values.min()), float(values.max())
    if log:
        # a value by chance next to zero, or one that ran away, must not squeeze the rest
        middle = float(np.median(values))
        low, high = max(low, middle * 1e-3), min(high, middle * 1e3)
        return [low / 1.5, high * 1.5]
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return [low - room, high + room]
