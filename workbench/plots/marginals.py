"""The marginal posterior of every variable, one row per variable, each over its own plotted range."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker

from workbench.plots.style import FIGURE, LEGEND, MODEL, REFERENCE, axes, fix_axes, line, overlay, register

#: Height of the tallest curve of a row; rows are one apart.
HEIGHT = 0.7


def _name_rows(plot: Any, element: Any) -> None:
    """HoloViews hook: on the vertical axis, label each row with its variable's name and plotted range; on the
    horizontal axis, which is relative to that range, only its ends: "low" and "high".
    """
    fix_axes(plot, element)
    names = [str(n) for n in element.get(0).dimension_values("marginals_variable", expanded=False)]
    state = plot.handles["workbench"]
    if state.get("rows") == names:
        return
    state["rows"] = names
    rows = {len(names) - 1 - i: name for i, name in enumerate(names)}
    plot.handles["yaxis"].update(ticker=FixedTicker(ticks=sorted(rows)), major_label_overrides=rows)
    plot.handles["xaxis"].update(
        ticker=FixedTicker(ticks=[0, 1]), major_label_overrides={0: "low", 1: "high"}
    )


register(
    hv.opts.Polygons("MarginalsModel", color=MODEL, fill_alpha=0.3, line_alpha=0),
    hv.opts.Curve("MarginalsOutline", color=MODEL, line_width=1.5),
    hv.opts.Curve("MarginalsReference", color=REFERENCE, line_width=2, line_dash="dashed"),
    hv.opts.Overlay("Marginals", hooks=[_name_rows], **FIGURE, **LEGEND),
    compact={},
)


def marginals(data: xr.Dataset) -> hv.Overlay:
    """Draw a Dataset of the view ``posterior``: model filled, reference dashed, one scale per row."""
    count = data.sizes["variable"]
    sides = axes(
        "marginals",
        ("each variable across its own range", ""),
        ((-0.02, 1.02), (-0.15, max(count, 1) - 0.02)),
    )
    model, reference = data["marginal_posterior"].values, data["marginal_reference"].values
    # the reference sets the scale where there is one, since it does not move
    peak = np.where(reference.any(1), reference.max(1, initial=0), model.max(1, initial=0))
    scale = HEIGHT / np.where(peak > 0, peak, 1.0)[:, None]
    place = np.repeat(np.linspace(0, 1, model.shape[1] + 1), 2)
    outlines = [_outlines(density * scale) for density in (model, reference)]
    polygons = [
        {sides[0].name: place, sides[1].name: outline, "marginals_variable": name}
        for outline, name in zip(outlines[0], _names(data), strict=True)
    ]
    model_line, reference_line = (
        line(*_with_gaps(place, np.where(density.any(1)[:, None], outline, np.nan)), sides, group, label)
        for density, outline, group, label in (
            (model, outlines[0], "MarginalsOutline", "model"),
            (reference, outlines[1], "MarginalsReference", "reference"),
        )
    )
    return overlay(
        [
            hv.Polygons(polygons, sides, "marginals_variable", group="MarginalsModel"),
            model_line,
            reference_line,
        ],
        data,
        "Marginals",
    )


def _outlines(heights: np.ndarray) -> np.ndarray:
    """Return stepped outlines (variable, 2 · bins + 2), first variable on top, clipped to the row height."""
    floor = np.arange(len(heights) - 1, -1, -1)[:, None]
    return floor + np.pad(np.repeat(np.minimum(heights, 0.97), 2, axis=1), ((0, 0), (1, 1)))


def _with_gaps(place: np.ndarray, outlines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join the outlines of all rows into one line (horizontal, vertical), with NaN after each."""
    gap = np.full((len(outlines), 1), np.nan)
    return np.hstack([np.tile(place, (len(outlines), 1)), gap]).ravel(), np.hstack([outlines, gap]).ravel()


def _names(data: xr.Dataset) -> list[str]:
    """Return a row label for each variable: its name, and below it its plotted range."""
    spans = [" to ".join(f"{v:.3g}".replace("-", "−") for v in bounds) for bounds in data["window"].values]
    return [f"{label}\n{span}" for label, span in zip(data["label"].values, spans, strict=True)]
