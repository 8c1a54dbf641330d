"""Acoustic transmission loss over range and depth as an image, with hydrophones, source depth and seabed."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.density import colour_limits
from workbench.plots.style import (
    COLOUR_BAR,
    FIGURE,
    LEGEND,
    NEUTRAL,
    REFERENCE,
    dimensions,
    line,
    overlay,
    register,
)

#: Colour map of the loss, from blue (little, loud) to transparent (much, quiet).
_RAMP = [f"#2e7fcb{round(255 * (1 - i / 254)):02x}" for i in range(255)]

register(
    hv.opts.Image("TransmissionField", cmap=_RAMP, colorbar=True, colorbar_opts=COLOUR_BAR),
    hv.opts.Curve("TransmissionSeabed", color=NEUTRAL, line_width=3),
    hv.opts.Curve("TransmissionSource", color=NEUTRAL, line_width=1, line_dash="4 4"),
    hv.opts.Points("TransmissionArray", color=REFERENCE, size=5, marker="triangle", line_color="black"),
    hv.opts.Overlay("TransmissionLoss", hooks=[colour_limits], **FIGURE, **LEGEND),
)


def transmission_loss(data: xr.Dataset) -> hv.Overlay:
    """Draw the loss over range and depth (downwards); the source is at range 0, left of the plotted range."""
    axes = dimensions(data, "transmission_loss")
    limits = tuple(float(v) for v in data.attrs["color_limits"])
    loss = hv.Dimension("transmission_value", label="loss [dB]", range=limits)
    grid = (data["range"].values, data["level"].values, data["loss"].values)
    sides, source, seabed = axes[0].range, float(data["source"]), float(data["seabed"])
    array = {axes[0].name: data["array_range"].values, axes[1].name: data["array_depth"].values}
    return overlay(
        [
            hv.Image(grid, axes, loss, group="TransmissionField", label="loss"),
            line(np.asarray(sides), np.full(2, seabed), axes, "TransmissionSeabed", "seabed"),
            line(np.asarray(sides), np.full(2, source), axes, "TransmissionSource", "source's depth"),
            hv.Points(array, axes, group="TransmissionArray", label="array", datatype=["dictionary"]),
        ],
        data,
        "TransmissionLoss",
    )
