"""Corner plot: 50 % and 90 % highest-density regions of every pair of variables, marginals on the diagonal.

All cells share one figure whose unit is a cell, so that a live page redraws it at once: column c and row r of
d variables cover [c, c + 1] × [d - 1 - r, d - r]. Tick labels are in the variables' own units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker

from workbench.core.errors import DataError, unknown
from workbench.plots.draws import chosen, columns_of, corner_dataset, windows_of
from workbench.plots.layers import (
    LONG_DASH,
    OTHER,
    REFINED,
    Columns,
    curve,
    line_columns,
    nice_ticks,
    points,
    segment_columns,
    segments,
    tick_text,
)
from workbench.plots.style import (
    DENSITY_RAMP,
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    axes,
    fix_axes,
    hide_empty_entries,
    register,
)

#: Legend in the upper right, which is empty in a corner plot; the margin leaves room for the toolbar.
INSIDE_LEGEND = {
    "legend_position": "top_right",
    "legend_opts": LEGEND["legend_opts"] | {"orientation": "vertical", "spacing": 4, "margin": 34},
}
#: Colour of the draws that a brush selects, distinct from model and reference.
BRUSHED = "#1f9270"
#: Height of the tallest marginal, and of the interval bar above the foot of the cell, in cells.
TALL, BAR = 0.8, 0.045
NAMES = ("prior", "reference", "other", "model", "refined")
GROUPS = {
    "prior": "CornerPrior",
    "reference": "CornerReference",
    "other": "CornerOther",
    "model": "CornerModel",
    "refined": "CornerRefined",
}
TITLES = {
    "prior": "prior",
    "reference": "reference",
    "other": "second model",
    "model": "model",
    "refined": "refined",
}


register(
    hv.opts.Image("CornerDensity", cmap=DENSITY_RAMP, alpha=0.85),
    hv.opts.Segments("CornerFrame", color=NEUTRAL, line_width=1, alpha=0.5, show_legend=False),
    hv.opts.Curve("CornerPrior", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Curve("CornerReference", color=REFERENCE, line_width=1.5, line_dash="dashed"),
    hv.opts.Curve("CornerOther", color=OTHER, line_width=1.5, line_dash="dashdot"),
    hv.opts.Curve("CornerModel", color=MODEL, line_width=1.5),
    hv.opts.Curve("CornerRefined", color=REFINED, line_width=2, line_dash=LONG_DASH),
    hv.opts.Segments("CornerInterval", color=MODEL, line_width=2, show_legend=False),
    hv.opts.Segments("CornerTruth", color=NEUTRAL, line_width=1.5, line_dash="dashed", show_legend=False),
    hv.opts.Points("CornerTruthPoint", color=NEUTRAL, size=10, marker="cross", line_width=2),
    hv.opts.Points("CornerOutside", color=NEUTRAL, size=2, alpha=0.35, line_alpha=0, show_legend=False),
    hv.opts.Points("CornerInside", color=BRUSHED, size=3, alpha=0.8, line_alpha=0),
    hv.opts.Labels(
        "CornerName", text_font_size="9pt", text_color=NEUTRAL, text_align="left", text_baseline="top"
    ),
    hv.opts.Overlay("Corner", **FIGURE, **INSIDE_LEGEND),
)


def sides(count: int) -> list[hv.Dimension]:
    """Return the horizontal and the vertical axis of the figure, each from 0 to ``count`` cells."""
    return axes("corner", ("", ""), ((0, count), (0, count)))


def corner(
    draws: Any,
    *,
    variables: Sequence[str] = (),
    names: Sequence[str] = (),
    truth: Any = None,
    **others: Any,
) -> hv.Overlay:
    """Draw the corner plot of draws: 50 % and 90 % regions of every pair, marginals on the diagonal.

    Parameters
    ----------
    draws : a Dataset as ``posterior.sample(n)`` returns it, a DataTree or DataArray, a table of pandas or
        polars, a mapping from names to arrays, or an array or a tensor (n, d).
    variables : names of the variables to plot, in their order; by default the first eight.
    names : names of the d columns of an array.
    truth : true values, by name or in the order of the plotted variables.
    others : ``reference``, ``prior``, ``other`` or ``refined``: draws of the same variables, in any form.

    Raises `DataError` for what holds no draws and `SpecError` for unknown names. A mapping of Datasets of the
    posterior explorer is plotted as it is.
    """
    if isinstance(draws, Mapping) and hasattr(draws.get("model"), "attrs"):
        if "labels" in draws["model"].attrs:
            return corner_of_datasets(draws)
    for name in others:
        if name not in NAMES:
            raise unknown("distribution", name, [n for n in NAMES if n != "model"])
    only = [text for name in variables for text in (name, name.partition("[")[0])]
    parts = {"model": columns_of(draws, names, only)}
    parts |= {name: columns_of(part, names or list(parts["model"]), only) for name, part in others.items()}
    selection = chosen(parts["model"], variables)
    for part in parts.values():
        chosen(part, selection)
    windows = windows_of(list(parts.values()), selection)
    datasets: dict[str, Any] = {k: corner_dataset(part, selection, windows) for k, part in parts.items()}
    if truth is not None:
        datasets["truth"] = _true_values(truth, selection, list(parts["model"]))
    return corner_of_datasets(datasets, hide_empty_entries)


def _true_values(truth: Any, plotted: Sequence[str], every: Sequence[str]) -> np.ndarray:
    """Return the true values (d,) of the plotted variables, given by name, or in their order."""
    if isinstance(truth, (Mapping, xr.Dataset)) or hasattr(truth, "keys"):
        for name in plotted:
            if name not in truth:
                raise unknown("true value", name, [str(key) for key in truth])
        return np.asarray([float(np.asarray(truth[name]).reshape(-1)[0]) for name in plotted])
    values = np.asarray(truth, dtype=np.float64).reshape(-1)
    if len(values) == len(every):
        values = values[[every.index(name) for name in plotted]]
    if len(values) != len(plotted):
        raise DataError(
            "The true values do not fit the plotted variables",
            expected=f"{len(plotted)}: {', '.join(plotted)}",
            found=f"{len(values)} values",
        )
    return values


def corner_of_datasets(datasets: Mapping[str, Any], *hooks: Any) -> hv.Overlay:
    """Draw the corner plot of one or more distributions of the same variables.

    Parameters
    ----------
    datasets : ``model``, and optionally ``other`` (a second model), ``refined``, ``reference``, ``prior``:
        Datasets with marginals ``single_density`` and outlines ``region_50``, ``region_90``; optionally the
        true values ``truth`` (d,), and ``within`` (n,) bool, the draws that a brush selects.
    hooks : further functions that HoloViews calls with each new figure.
    """
    model = datasets["model"]
    names, windows = list(model.attrs["labels"]), _windows(model)
    count, numbers = len(names), columns(datasets)
    both = sides(count)
    elements: list[Any] = [
        hv.Image(
            numbers["density"]["image"][0],
            bounds=(0, 0, count, count),
            kdims=both,
            vdims=[hv.Dimension("corner_density", range=(0, 1))],
            group="CornerDensity",
            label="density",
        ),
        segments(numbers, "frame", both, "CornerFrame"),
    ]
    elements += [curve(numbers, TITLES[name], both, GROUPS[name]) for name in NAMES]
    elements += [
        segments(numbers, "interval", both, "CornerInterval"),
        segments(numbers, "true value", both, "CornerTruth"),
        points(numbers, "truth", both, "CornerTruthPoint"),
        points(numbers, "outside", both, "CornerOutside"),
        points(numbers, "brushed", both, "CornerInside"),
        hv.Labels(
            [(i + 0.04, count - i - 0.03, name) for i, name in enumerate(names)],
            both,
            "name",
            group="CornerName",
        ),
    ]
    ticks = _tick_places(windows)

    def hook(plot: Any, element: Any) -> None:
        fix_axes(plot, element)
        for side, marks in zip("xy", ticks, strict=True):
            axis = plot.handles[f"{side}axis"]
            axis.update(
                ticker=FixedTicker(ticks=sorted(marks)), major_label_overrides=marks, axis_line_alpha=0.0
            )

    plot = hv.Overlay(elements, group="Corner", label="")
    return plot.opts(hv.opts.Overlay("Corner", hooks=[hook, *hooks]))


def columns(datasets: Mapping[str, Any]) -> Columns:
    """Return the plotted values, ``{element label: {dimension: values}}``, to update a figure in place."""
    model = datasets["model"]
    count = len(model.attrs["labels"])
    both, windows = sides(count), _windows(model)
    distributions = {name: datasets.get(name) for name in NAMES}
    scale = _scale(distributions, count)
    numbers: Columns = {
        "density": {"image": [mosaic(model, count)]},
        "frame": segment_columns(both, _frame(count)),
    }
    for name, data in distributions.items():
        numbers[TITLES[name]] = line_columns(both, _outline(data, scale, with_regions=name != "prior"))
    numbers["interval"] = segment_columns(both, _intervals(model, windows))
    lines, crosses = _truth(datasets.get("truth"), windows)
    numbers["true value"], numbers["truth"] = segment_columns(both, lines), line_columns(both, crosses)
    for label, cloud in zip(
        ("outside", "brushed"), _clouds(model, datasets.get("within"), windows), strict=True
    ):
        numbers[label] = line_columns(both, cloud)
    return numbers


def frame(datasets: Mapping[str, Any]) -> tuple:
    """Return the labels and axis ranges: a figure must be rebuilt, not updated, when these change."""
    model = datasets["model"]
    return tuple(model.attrs["labels"]), tuple(np.ravel(model.attrs["windows"]))


def mosaic(model: xr.Dataset, count: int) -> np.ndarray:
    """Join the densities of all pairs into one image, first row on top as in HoloViews; 0 in other cells."""
    density = model["pair_density"].values
    bins = density.shape[-1] if len(density) else 2
    whole = np.zeros((count * bins, count * bins), dtype=np.float32)
    for cell, (column, row) in zip(density, combinations(range(count), 2), strict=True):
        # the cell's first row is the lowest
        whole[row * bins : (row + 1) * bins, column * bins : (column + 1) * bins] = cell[::-1]
    return whole


def _windows(model: xr.Dataset) -> np.ndarray:
    return np.asarray(model.attrs["windows"], dtype=np.float64).reshape(-1, 2)


def _scale(distributions: Mapping[str, Any], count: int) -> np.ndarray:
    """Return a factor per diagonal cell from density to height, so that the highest density fills it."""
    peaks = [d["single_density"].values.max(1, initial=0.0) for d in distributions.values() if d is not None]
    peak = np.max(peaks, axis=0) if peaks else np.ones(count)
    return TALL / np.where(peak > 0, peak, 1.0)


def _outline(data: xr.Dataset | None, scale: np.ndarray, *, with_regions: bool) -> np.ndarray:
    """Return marginals (diagonal cells) and regions' outlines (others) as one line (n, 2) with NaN gaps."""
    if data is None:
        return np.empty((0, 2))
    density, count = data["single_density"].values, len(scale)
    place = (np.arange(density.shape[1]) + 0.5) / density.shape[1]
    gap, parts = np.full((1, 2), np.nan), []
    for i in range(count):
        parts += [np.column_stack([i + place, count - 1 - i + np.minimum(density[i] * scale[i], 0.97)]), gap]
    if with_regions:
        parts += [data["region_90"].values, data["region_50"].values]
    return np.concatenate(parts)


def _intervals(model: xr.Dataset, windows: np.ndarray) -> np.ndarray:
    """Return the central 90 % intervals of all variables as segments (d, 4) at the foot of diagonal cells."""
    count, rows = len(windows), []
    quantile = model["quantile"].sel(variable=model["shown"].values).values
    for i, (low, high) in enumerate(windows):
        start, end = np.clip((quantile[i, [0, -1]] - low) / (high - low), 0, 1)
        height = count - 1 - i + BAR
        rows.append((i + start, height, i + end, height))
    return np.asarray(rows)


def _frame(count: int) -> list[tuple[float, float, float, float]]:
    """Return the borders of the cells of the triangle as segments (x0, y0, x1, y1)."""
    lines = []
    for i in range(count + 1):
        lines.append((0, count - i, min(i + 1, count), count - i))
        lines.append((i, 0, i, min(count - i + 1, count)))
    return lines


def _truth(truth: Any, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the true values as segments (d, 4) in the diagonal cells and as points (n, 2) in the others."""
    if truth is None:
        return np.empty((0, 4)), np.empty((0, 2))
    count = len(windows)
    place = (np.asarray(truth, dtype=np.float64) - windows[:, 0]) / (windows[:, 1] - windows[:, 0])
    place = np.where((place >= 0) & (place <= 1), place, np.nan)
    lines = [(i + p, count - 1 - i, i + p, count - i - 0.2) for i, p in enumerate(place)]
    crosses = [(i + place[i], count - 1 - j + place[j]) for i, j in combinations(range(count), 2)]
    return np.asarray(lines), np.asarray(crosses).reshape(-1, 2)


def _clouds(model: xr.Dataset, within: Any, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the draws of every pair outside and inside the brush, (n, 2) each; empty without a brush."""
    if within is None:
        return np.empty((0, 2)), np.empty((0, 2))
    draws, count = model["draw"].sel(variable=model["shown"].values).values, len(windows)
    place = (draws - windows[:, 0]) / (windows[:, 1] - windows[:, 0])
    place = np.where((place >= 0) & (place <= 1), place, np.nan)
    every = np.stack(
        [place[:, [i, j]] + (i, count - 1 - j) for i, j in combinations(range(count), 2)]
        or [np.empty((len(draws), 2))]
    )
    return tuple(every[:, mask].reshape(-1, 2) for mask in (~within, within))


def _tick_places(windows: np.ndarray) -> tuple[dict[float, str], dict[float, str]]:
    """Return {position in cells: tick label} for all columns, and for all rows but the first."""
    count = len(windows)
    columns, rows = dict[float, str](), dict[float, str]()
    for i, (low, high) in enumerate(windows):
        for value in nice_ticks(low, high):
            place, label = (value - low) / (high - low), tick_text(value)
            columns[i + place] = label
            if i:
                rows[count - 1 - i + place] = label
    return columns, rows


def cell(x: float, y: float, count: int) -> tuple[int, int] | None:
    """Return (column, row) of the cell in which a point of the figure lies; None outside the triangle."""
    column, row = int(np.floor(x)), count - 1 - int(np.floor(y))
    return (column, row) if 0 <= column <= row < count else None


def box_within(
    box: Mapping[str, float], model: xr.Dataset, variables: tuple[int, ...]
) -> tuple[tuple[int, float, float], ...]:
    """Convert a box (x0, x1, y0, y1) in the figure's units into limits (variable, low, high).

    The box belongs to the cell in which its middle lies: two variables there, one on the diagonal, none
    outside the triangle. ``variables`` are the numbers, within the problem, of the plotted variables.
    """
    windows, count = _windows(model), len(model.attrs["labels"])
    place = cell(0.5 * (box["x0"] + box["x1"]), 0.5 * (box["y0"] + box["y1"]), count)
    if place is None:
        return ()
    column, row = place
    across, up = (
        np.clip([box["x0"], box["x1"]], column, column + 1) - column,
        np.asarray([box["y0"], box["y1"]]),
    )
    up = np.clip(up, count - 1 - row, count - row) - (count - 1 - row)
    limits = {column: across} if column == row else {column: across, row: up}
    return tuple(
        (int(variables[i]), *(float(v) for v in windows[i, 0] + np.sort(ends) * np.ptp(windows[i])))
        for i, ends in limits.items()
    )
