"""Misfit of the inputs over the iterations of a search that inverts a forward network."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import FIGURE, LEGEND, MODEL, NEUTRAL, axes, fix_axes, line, overlay, register

register(
    hv.opts.Curve("InversionBest", color=MODEL, line_width=2),
    hv.opts.Curve("InversionMedian", color=MODEL, line_width=1.5, line_dash="dashed"),
    hv.opts.Curve("InversionTolerance", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Overlay("Inversion", hooks=[fix_axes], logy=True, **FIGURE, **LEGEND),
)

#: Smallest misfit on the logarithmic axis; smaller ones are drawn there.
_LEAST = 1e-6


def inversion(data: xr.Dataset) -> hv.Overlay:
    """Draw the smallest and the median misfit at every recorded step; the dotted line is the tolerance."""
    moments, misfit = data["moment"].values.astype(float), np.maximum(data["misfit"].values, _LEAST)
    best, median, tolerance = misfit.min(1), np.median(misfit, 1), float(data.attrs["tolerance"])
    least = max(_LEAST, min(float(best.min()), tolerance or 1.0)) / 2
    sides = axes(
        "inversion",
        ["iteration", "misfit, in scales of y"],
        [(0.0, max(moments[-1], 1.0)), (least, 2 * misfit[0].max())],
    )
    ends = sides[0].range
    return overlay(
        [
            line(moments, best, sides, "InversionBest", "best point"),
            line(moments, median, sides, "InversionMedian", "half of the points"),
            line(ends, [max(tolerance, least)] * 2, sides, "InversionTolerance", "reached"),
        ],
        data,
        "Inversion",
    )
