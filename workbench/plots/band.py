"""Observations resimulated from the posterior: intervals of every component of y, and its observed value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.models import FixedTicker

from workbench.plots.layers import OTHER, Columns, line_columns, points, segment_columns, segments
from workbench.plots.style import FIGURE, LEGEND, MODEL, REFERENCE, axes, fix_axes, register

#: Largest number of components whose names are written along the axis; more would overlap.
MOST_NAMED = 12
#: Largest number of characters of all these names together, counting two blanks for each.
MOST_CHARACTERS = 60
SHIFT = 0.18

register(
    hv.opts.Segments("BandWide", color=MODEL, line_width=4, alpha=0.45),
    hv.opts.Segments("BandNarrow", color=MODEL, line_width=8, alpha=0.8),
    hv.opts.Segments("BandOther", color=OTHER, line_width=3, alpha=0.7),
    hv.opts.Points(
        "BandObserved", color=REFERENCE, size=9, marker="circle_cross", fill_alpha=0.0, line_width=2
    ),
    hv.opts.Overlay("Band", **FIGURE, **LEGEND),
)


def sides(data: Any) -> list[hv.Dimension]:
    """Return the two axes: number of the component of y (horizontal) and its value (vertical)."""
    count = data.sizes["component"]
    return axes(
        "band", ("component of y", str(data.attrs["label"])), ((-0.6, count - 0.4), data.attrs["window"])
    )


def band(datasets: Mapping[str, Any]) -> hv.Overlay:
    """Draw the central 50 % and 90 % intervals of every component of y, and the observation.

    ``datasets`` holds ``model`` and optionally ``other``, a second model of which only the 90 % interval is
    drawn: Datasets with quantiles ``band`` (level, component) and ``observed`` (component,).
    """
    data = datasets["model"]
    both, numbers, names = sides(data), columns(datasets), list(data.attrs["names"])
    elements = [
        points(numbers, "observed", both, "BandObserved"),
        segments(numbers, "90 % of resimulated", both, "BandWide"),
        segments(numbers, "50 %", both, "BandNarrow"),
        segments(numbers, "second model, 90 %", both, "BandOther"),
    ]
    longest = 2 + max(map(len, map(str, names)), default=0)
    every = max(-(-len(names) // MOST_NAMED), -(-len(names) * longest // MOST_CHARACTERS))
    labels = {i: str(name) for i, name in enumerate(names) if i % every == 0}

    def hook(plot: Any, element: Any) -> None:
        fix_axes(plot, element)
        plot.handles["xaxis"].update(ticker=FixedTicker(ticks=sorted(labels)), major_label_overrides=labels)

    return hv.Overlay(elements, group="Band", label="").opts(hv.opts.Overlay("Band", hooks=[hook]))


def columns(datasets: Mapping[str, Any]) -> Columns:
    """Return the plotted values, ``{element label: {dimension: values}}``, to update a figure in place."""
    data, other = datasets["model"], datasets.get("other")
    both, place = sides(data), np.arange(data.sizes["component"], dtype=float)
    low, quarter, _, three_quarters, high = data["band"].values
    beside = np.empty((0, 4))
    if other is not None:
        beside = np.column_stack(
            [place + SHIFT, other["band"].values[0], place + SHIFT, other["band"].values[-1]]
        )
    return {
        "observed": line_columns(both, np.column_stack([place, data["observed"].values])),
        "90 % of resimulated": segment_columns(both, np.column_stack([place, low, place, high])),
        "50 %": segment_columns(both, np.column_stack([place, quarter, place, three_quarters])),
        "second model, 90 %": segment_columns(both, beside),
    }


def frame(datasets: Mapping[str, Any]) -> tuple:
    """Return the labels and axis ranges: a figure must be rebuilt, not updated, when these change."""
    attrs = datasets["model"].attrs
    return tuple(attrs["names"]), attrs["label"], tuple(attrs["window"])
