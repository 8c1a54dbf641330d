"""Mean log density of fresh data under the model, beside the best possible one and that of its own draws."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker

from workbench.plots.style import FIGURE, LEGEND, MODEL, axes, fix_axes, overlay, register

ROWS = {2: "fresh data", 1: "model's own draws", 0: "best possible"}


def _name_rows(plot: Any, element: Any) -> None:
    """HoloViews hook: label the rows with the names of the three scores."""
    fix_axes(plot, element)
    plot.handles["yaxis"].update(ticker=FixedTicker(ticks=list(ROWS)), major_label_overrides=ROWS)


register(
    hv.opts.Points("HeldOutScore", color=MODEL, size=9, marker="diamond", line_alpha=0),
    hv.opts.Overlay("HeldOutDensity", hooks=[_name_rows], **FIGURE, **LEGEND),
)


def held_out_density(data: xr.Dataset) -> hv.Overlay:
    """Draw mean log densities in nats: of fresh data, of the model's own draws, and the best possible one.

    The best possible one is missing where the target density is not known.
    """
    values = np.asarray([float(data[name]) for name in ("target_score", "own_score", "score")])
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    room = 0.1 * (high - low) or 0.5
    windows = (low - room, high + room), (-0.6, 2.6)
    sides = axes("held_out_density", ("mean log density [nats]", ""), windows)
    columns = {sides[0].name: values, sides[1].name: np.arange(3.0)}
    dots = hv.Points(columns, sides, group="HeldOutScore", label="score", datatype=["dictionary"])
    return overlay([dots], data, "HeldOutDensity")
