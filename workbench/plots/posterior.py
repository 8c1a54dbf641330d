"""Posterior draws of a pair of variables beside the reference posterior."""

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
    hv.opts.Points("PosteriorReference", color=REFERENCE, size=4, alpha=0.45, line_alpha=0),
    hv.opts.Points("PosteriorModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Overlay("Posterior", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def posterior(data: xr.Dataset) -> hv.Overlay:
    """Draw the model's posterior as crosses and, where known, the reference posterior as dots."""
    axes = dimensions(data, "posterior")
    return overlay(
        [
            points(data, "reference", axes, "PosteriorReference", "reference"),
            points(data, "posterior", axes, "PosteriorModel", "model"),
        ],
        data,
        "Posterior",
    )
