"""Density of the model as an image, with contours of the target's 50 % and 90 % highest-density regions."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import (
    COLOUR_BAR,
    DENSITY_RAMP,
    FIGURE,
    LEGEND,
    REFERENCE,
    dimensions,
    fix_axes,
    line,
    overlay,
    register,
)


def colour_limits(plot: Any, element: Any) -> None:
    """HoloViews hook: fix the axes, and set the colour scale to the range of the value dimension."""
    fix_axes(plot, element)
    low, high = element.get(0).vdims[0].range
    for subplot in plot.subplots.values():
        mapper = subplot.handles.get("color_color_mapper") or subplot.handles.get("color_mapper")
        if mapper is not None and (mapper.low, mapper.high) != (low, high):
            mapper.update(low=low, high=high)


register(
    hv.opts.Image("DensityModel", cmap=DENSITY_RAMP, colorbar=True, colorbar_opts=COLOUR_BAR),
    hv.opts.Curve("DensityTarget", color=REFERENCE, line_width=1.5, line_dash="dashed"),
    hv.opts.Overlay("Density", hooks=[colour_limits], **FIGURE, **LEGEND),
)


def density(data: xr.Dataset) -> hv.Overlay:
    """Draw the model's density, with dashed contours that hold 50 % and 90 % of the target's probability.

    The attribute ``color_limits`` of the Dataset sets the ends of the colour scale.
    """
    axes = dimensions(data, "density")
    height = hv.Dimension(
        "density_value", label="density", range=tuple(float(v) for v in data.attrs["color_limits"])
    )
    values = data["model"].values
    grid = (data["horizontal"].values, data["vertical"].values, np.maximum(values, 0.0))
    image = hv.Image(grid, axes, height, group="DensityModel", label="model")
    contours = line(
        data["contour_horizontal"].values,
        data["contour_vertical"].values,
        axes,
        "DensityTarget",
        "target, 50 % and 90 %",
    )
    return overlay([image, contours], data, "Density")
