"""Bartlett match of modelled and measured sound field over two seabed parameters, with posterior draws."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.density import colour_limits
from workbench.plots.style import (
    COLOUR_BAR,
    FIGURE,
    LEGEND,
    MODEL,
    REFERENCE,
    dimensions,
    overlay,
    points,
    register,
)

#: Colour map of the match, transparent (0) to grey (1): colours are left to the draws on top of it.
_RAMP = [f"#6c7f8c{round(230 * i / 254):02x}" for i in range(255)]

register(
    hv.opts.Image("AmbiguityMatch", cmap=_RAMP, colorbar=True, colorbar_opts=COLOUR_BAR),
    hv.opts.Points("AmbiguityReference", color=REFERENCE, size=4, alpha=0.5, line_alpha=0),
    hv.opts.Points("AmbiguityModel", color=MODEL, size=5, alpha=0.6, marker="x", line_width=1),
    hv.opts.Overlay("AmbiguitySurface", hooks=[colour_limits], **FIGURE, **LEGEND),
)


def ambiguity_surface(data: xr.Dataset) -> hv.Overlay:
    """Draw the match in shades of grey (dark: good), reference draws as dots, the model's as crosses."""
    axes = dimensions(data, "ambiguity_surface")
    limits = tuple(float(v) for v in data.attrs["color_limits"])
    match = hv.Dimension("ambiguity_match", label="Bartlett match", range=limits)
    grid = (data["horizontal"].values, data["vertical"].values, data["match"].values)
    return overlay(
        [
            hv.Image(grid, axes, match, group="AmbiguityMatch", label="match"),
            points(data, "reference", axes, "AmbiguityReference", "reference"),
            points(data, "model", axes, "AmbiguityModel", "model"),
        ],
        data,
        "AmbiguitySurface",
    )
