"""Points on their way to the inputs that a network maps to the target, over the network's level sets."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.style import (
    COLOUR_BAR,
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    dimensions,
    fix_axes,
    line,
    overlay,
    points,
    register,
)

#: Colour map of the misfit, from blue (small) to transparent.
RAMP = [f"{REFERENCE}{round(150 * (1 - i / 254) ** 1.5):02x}" for i in range(255)]

register(
    hv.opts.Image("SearchMisfit", cmap=RAMP, colorbar=True, colorbar_opts=COLOUR_BAR),
    hv.opts.Curve("SearchLevel", color=REFERENCE, line_width=1.5),
    hv.opts.Curve("SearchTrail", color=MODEL, line_width=1, alpha=0.5),
    hv.opts.Points("SearchAway", color=NEUTRAL, size=5, fill_alpha=0.0, line_width=1.5),
    hv.opts.Points("SearchNear", color=MODEL, size=6, line_alpha=0),
    hv.opts.Overlay("Search", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def search(data: xr.Dataset) -> hv.Overlay:
    """Draw inputs that have reached the target as full dots, others as rings, and their trails.

    Background: log₁₀ of the misfit, and blue contours where one output equals its target.
    """
    axes = dimensions(data, "search")
    height = hv.Dimension(
        "search_misfit", label="log₁₀ misfit", range=tuple(float(v) for v in data.attrs["color_limits"])
    )
    sides = (data["horizontal"].values, data["vertical"].values)
    return overlay(
        [
            hv.Image((*sides, data["closeness"].values), axes, height, group="SearchMisfit", label="misfit"),
            line(*_sides(data, "level"), axes, "SearchLevel", "output as wanted"),
            line(*_sides(data, "trail"), axes, "SearchTrail", "trail"),
            points(data, "away", axes, "SearchAway", "on the way"),
            points(data, "near", axes, "SearchNear", "reached"),
        ],
        data,
        "Search",
    )


def _sides(data: xr.Dataset, name: str) -> list:
    return [data[f"{name}_{side}"].values for side in ("horizontal", "vertical")]
