"""Marginals with their intervals, one row per variable: posterior, prior, and a reference where known.

Thick bar: the central 50 %, thin bar: 90 %, ring: the median. Bars of a second model lie below these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.models import FixedTicker

from workbench.plots.layers import (
    LONG_DASH,
    OTHER,
    REFINED,
    Columns,
    curve,
    line_columns,
    points,
    segment_columns,
    segments,
    tick_text,
)
from workbench.plots.style import FIGURE, LEGEND, MODEL, NEUTRAL, REFERENCE, axes, fix_axes, register

#: Foot and largest height of the curves, and position of both models' bars, within a row of height 1.
FOOT, TALL, BARS = 0.26, 0.66, {"model": 0.17, "other": 0.07}
GROUPS = {
    "prior": "IntervalsPrior",
    "reference": "IntervalsReference",
    "other": "IntervalsOther",
    "model": "IntervalsModel",
    "refined": "IntervalsRefined",
}
TITLES = {
    "prior": "prior",
    "reference": "reference",
    "other": "second model",
    "model": "model",
    "refined": "refined",
}

register(
    hv.opts.Curve("IntervalsPrior", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Curve("IntervalsReference", color=REFERENCE, line_width=2, line_dash="dashed"),
    hv.opts.Curve("IntervalsOther", color=OTHER, line_width=1.5, line_dash="dashdot"),
    hv.opts.Curve("IntervalsModel", color=MODEL, line_width=2),
    hv.opts.Curve("IntervalsRefined", color=REFINED, line_width=2, line_dash=LONG_DASH),
    hv.opts.Segments("IntervalsThin", color=MODEL, line_width=2, show_legend=False),
    hv.opts.Segments("IntervalsThick", color=MODEL, line_width=7, show_legend=False),
    hv.opts.Segments("IntervalsOtherThin", color=OTHER, line_width=2, show_legend=False),
    hv.opts.Segments("IntervalsOtherThick", color=OTHER, line_width=5, show_legend=False),
    hv.opts.Segments("IntervalsTruth", color=NEUTRAL, line_width=1.5, line_dash="dashed"),
    hv.opts.Points(
        "IntervalsMedian", color="white", line_color=MODEL, size=7, line_width=2, show_legend=False
    ),
    hv.opts.Labels("IntervalsTick", text_font_size="8pt", text_color=NEUTRAL, text_baseline="bottom"),
    hv.opts.Overlay("Intervals", **FIGURE, **LEGEND),
)


def sides(count: int) -> list[hv.Dimension]:
    """Return the two axes: fraction of a variable's plotted range (horizontal), and one row per variable."""
    return axes("intervals", ("each variable across its own range", ""), ((-0.02, 1.02), (-0.08, count)))


def intervals(datasets: Mapping[str, Any]) -> hv.Overlay:
    """Draw marginals and intervals of the Datasets that `workbench.plots.corner.corner` takes."""
    model = datasets["model"]
    names, windows = list(model.attrs["labels"]), _windows(model)
    count, numbers = len(names), columns(datasets)
    both = sides(count)
    elements: list[Any] = [curve(numbers, TITLES[name], both, group) for name, group in GROUPS.items()]
    elements += [
        segments(numbers, label, both, group)
        for label, group in (
            ("90 %", "IntervalsThin"),
            ("50 %", "IntervalsThick"),
            ("other 90 %", "IntervalsOtherThin"),
            ("other 50 %", "IntervalsOtherThick"),
            ("true value", "IntervalsTruth"),
        )
    ]
    elements.append(points(numbers, "median", both, "IntervalsMedian"))
    ends = [
        (place, count - 1 - i - 0.07, tick_text(value))
        for i, window in enumerate(windows)
        for place, value in zip((0.03, 0.97), window, strict=True)
    ]
    elements.append(hv.Labels(ends, both, "end", group="IntervalsTick"))
    rows = {count - 1 - i + 0.4: name for i, name in enumerate(names)}

    def hook(plot: Any, element: Any) -> None:
        fix_axes(plot, element)
        plot.handles["yaxis"].update(ticker=FixedTicker(ticks=sorted(rows)), major_label_overrides=rows)
        plot.handles["xaxis"].update(ticker=FixedTicker(ticks=[]))

    plot = hv.Overlay(elements, group="Intervals", label="")
    return plot.opts(hv.opts.Overlay("Intervals", hooks=[hook]))


def columns(datasets: Mapping[str, Any]) -> Columns:
    """Return the plotted values, ``{element label: {dimension: values}}``, to update a figure in place."""
    windows = _windows(datasets["model"])
    count = len(windows)
    both, distributions = sides(count), {name: datasets.get(name) for name in GROUPS}
    peaks = [d["single_density"].values.max(1, initial=0.0) for d in distributions.values() if d is not None]
    peak = np.max(peaks, axis=0)
    scale = TALL / np.where(peak > 0, peak, 1.0)
    numbers: Columns = {TITLES[n]: line_columns(both, _rows(d, scale)) for n, d in distributions.items()}
    for name, prefix in (("model", ""), ("other", "other ")):
        bars, medians = _bars(distributions[name], windows, BARS[name])
        numbers[f"{prefix}90 %"] = segment_columns(both, bars[0])
        numbers[f"{prefix}50 %"] = segment_columns(both, bars[1])
        if name == "model":
            numbers["median"] = line_columns(both, medians)
    truth = datasets.get("truth")
    lines = np.empty((0, 4))
    if truth is not None:
        place = (np.asarray(truth, dtype=np.float64) - windows[:, 0]) / (windows[:, 1] - windows[:, 0])
        place = np.where((place >= 0) & (place <= 1), place, np.nan)
        lines = np.asarray([(p, count - 1 - i, p, count - i - 0.08) for i, p in enumerate(place)])
    numbers["true value"] = segment_columns(both, lines)
    return numbers


def frame(datasets: Mapping[str, Any]) -> tuple:
    """Return the labels and axis ranges: a figure must be rebuilt, not updated, when these change."""
    return tuple(datasets["model"].attrs["labels"]), tuple(np.ravel(datasets["model"].attrs["windows"]))


def _windows(model: Any) -> np.ndarray:
    return np.asarray(model.attrs["windows"], dtype=np.float64).reshape(-1, 2)


def _rows(data: Any, scale: np.ndarray) -> np.ndarray:
    if data is None:
        return np.empty((0, 2))
    density, count = data["single_density"].values, len(scale)
    place = (np.arange(density.shape[1]) + 0.5) / density.shape[1]
    gap = np.full((1, 2), np.nan)
    parts = [
        part
        for i in range(count)
        for part in (np.column_stack([place, count - 1 - i + FOOT + density[i] * scale[i]]), gap)
    ]
    return np.concatenate(parts)


def _bars(data: Any, windows: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 90 % and 50 % intervals, as segments (2, variable, 4), and medians, as points (variable, 2)."""
    if data is None:
        return np.empty((2, 0, 4)), np.empty((0, 2))
    quantile = data["quantile"].sel(variable=data["shown"].values).values
    place = np.clip((quantile - windows[:, :1]) / (windows[:, 1:] - windows[:, :1]), 0, 1)
    at = len(windows) - 1 - np.arange(len(windows)) + height
    bars = [np.column_stack([place[:, a], at, place[:, -1 - a], at]) for a in (0, 1)]
    return np.asarray(bars), np.column_stack([place[:, 2], at])
