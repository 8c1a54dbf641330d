"""Data beside samples of the model."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    LEGEND,
    MODEL,
    REFERENCE,
    dimensions,
    fix_axes,
    overlay,
    points,
    register,
)

register(
    hv.opts.Points("SamplesData", color=REFERENCE, size=4, alpha=0.45, line_alpha=0),
    hv.opts.Points("SamplesModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Overlay("Samples", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def samples(data: xr.Dataset) -> hv.Overlay:
    """Draw data as dots and samples of the model as crosses."""
    axes = dimensions(data, "samples")
    return overlay(
        [
            points(data, "data", axes, "SamplesData", "data"),
            points(data, "model", axes, "SamplesModel", "model"),
        ],
        data,
        "Samples",
    )
