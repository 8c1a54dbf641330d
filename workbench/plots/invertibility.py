"""Distribution functions of round-trip errors through the network; beyond a limit a point counts as lost."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    dimensions,
    fix_axes,
    line,
    overlay,
    register,
)

register(
    hv.opts.Curve("InvertibilityData", color=REFERENCE, line_width=2),
    hv.opts.Curve("InvertibilityLatent", color=MODEL, line_width=2, line_dash="dashed"),
    hv.opts.Curve("InvertibilityLimit", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Overlay("Invertibility", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def invertibility(data: xr.Dataset) -> hv.Overlay:
    """Draw the errors of x → z → x (solid) and z → x → z (dashed); right of the dotted line: lost points."""
    axes = dimensions(data, "invertibility")
    labels = [str(v) for v in data["direction_label"].values]
    centre, share = data["log_error"].values, data["share"].values
    half = 0.5 * (centre[1] - centre[0])
    edges = np.append(centre - half, centre[-1] + half)
    curves = [
        line(edges, np.append(0.0, np.cumsum(share[i])), axes, group, labels[i])
        for i, group in enumerate(("InvertibilityData", "InvertibilityLatent"))
    ]
    limit = np.full(2, np.log10(float(data.attrs["threshold"])))
    threshold = line(limit, np.asarray(axes[1].range), axes, "InvertibilityLimit", "lost beyond")
    return overlay([*curves, threshold], data, "Invertibility")
