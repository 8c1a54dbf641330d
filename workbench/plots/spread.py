"""Box plot of a score of several methods, with the single values and published ones as markers."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker

from workbench.plots.style import FIGURE, LEGEND, MODEL, NEUTRAL, REFERENCE, dimensions, fix_axes, register

#: Half the height of a box, where rows have height 1.
HALF = 0.3


def _name_rows(plot: Any, element: Any) -> None:
    """HoloViews hook: label the rows with the names of the methods."""
    fix_axes(plot, element)
    names = list(element.get(1).dimension_values("spread_name", expanded=False))
    rows = {len(names) - 1 - i: str(name) for i, name in enumerate(names)}
    plot.handles["yaxis"].update(ticker=FixedTicker(ticks=sorted(rows)), major_label_overrides=rows)


register(
    hv.opts.Rectangles("SpreadBox", color=MODEL, fill_alpha=0.18, line_color=MODEL, line_width=1),
    hv.opts.Segments("SpreadMedian", color=MODEL, line_width=2),
    hv.opts.Points("SpreadValue", color=NEUTRAL, size=3, alpha=0.5, line_alpha=0),
    hv.opts.Points("SpreadMean", color=MODEL, size=9, marker="diamond", line_alpha=0),
    hv.opts.Points("SpreadPublished", color=REFERENCE, size=9, marker="x", line_width=2),
    hv.opts.Points("SpreadReported", color=REFERENCE, size=8, marker="circle", fill_alpha=0, line_width=1.5),
    hv.opts.Overlay("Spread", hooks=[_name_rows], **FIGURE, **LEGEND),
    compact={},
)


def spread(data: xr.Dataset, *, log: bool = False) -> hv.Overlay:
    """Draw one row per method: box of the quartiles, single values, mean, and published values.

    ``data`` has the variables ``name`` (row), the methods; ``value`` (row, sample), NaN where missing;
    ``mean`` (row); ``figure`` (tag, row), published values, with ``tag`` the names of their sources. Its
    attribute ``horizontal_window`` is the plotted range. With ``log`` the horizontal axis is logarithmic, and
    a value below the range is drawn at its lower end.
    """
    horizontal, vertical = dimensions(data, "spread")
    names = [str(n) for n in data["name"].values]
    place = np.arange(len(names) - 1, -1, -1, dtype=float)
    edge = horizontal.range[0]

    def inside(values: Any) -> np.ndarray:
        return np.maximum(np.asarray(values, dtype=float), edge) if log else np.asarray(values, dtype=float)

    value = inside(data["value"].values)
    several = np.isfinite(value).sum(1) > 1
    quartiles = np.full((3, len(names)), np.nan)
    if several.any():
        quartiles[:, several] = np.nanquantile(value[several], [0.25, 0.5, 0.75], axis=1)
    low, middle, high = quartiles
    axes = [horizontal, vertical]
    ends = [hv.Dimension(f"spread_{n}") for n in ("left", "bottom", "right", "top")]
    boxes = hv.Rectangles(
        (low, place - HALF, high, place + HALF, names), ends, hv.Dimension("spread_name"), group="SpreadBox"
    )
    medians = hv.Segments((middle, place - HALF, middle, place + HALF), ends, group="SpreadMedian")
    # an even scatter that is the same every time
    jitter = (np.arange(value.shape[1]) * 0.618034 % 1 - 0.5) * 1.3 * HALF
    dots = _dots(value, place[:, None] + jitter, axes, "SpreadValue", "each")
    means = _dots(inside(data["mean"].values), place, axes, "SpreadMean", "mean")
    marks = [
        _dots(
            inside(row),
            place,
            axes,
            "SpreadReported" if "reported" in str(tag) else "SpreadPublished",
            str(tag),
        )
        for tag, row in zip(data["tag"].values, data["figure"].values, strict=True)
    ]
    # the dots first, since their dimensions carry the axes
    elements = [dots, boxes, medians, means, *marks]
    plot = hv.Overlay(elements, group="Spread", label=str(data.attrs["title"]))
    return plot.opts(hv.opts.Overlay("Spread", logx=log))


def _dots(x: np.ndarray, y: np.ndarray, axes: list[hv.Dimension], group: str, label: str) -> hv.Points:
    x, y = np.broadcast_arrays(x, y)
    finite = np.isfinite(x)
    return hv.Points((x[finite], y[finite]), axes, group=group, label=label)
