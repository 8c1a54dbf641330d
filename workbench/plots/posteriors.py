"""Posterior draws of several methods at one observation, on the same axes, over exact draws."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.style import FIGURE, LEGEND, NEUTRAL, SERIES, dimensions, fix_axes, overlay, register

#: Markers of the methods, so that colour is never their only distinction.
MARKERS = ("x", "circle", "triangle", "square", "diamond", "cross", "inverted_triangle", "asterisk")

register(
    hv.opts.Points("PosteriorsExact", color=NEUTRAL, size=6, alpha=0.35, line_alpha=0),
    hv.opts.Points("PosteriorsModel", size=5, alpha=0.75, line_width=1),
    # names one under the other: eight of them do not fit into a line
    hv.opts.Overlay(
        "Posteriors",
        hooks=[fix_axes],
        **FIGURE,
        legend_position="right",
        legend_opts=LEGEND["legend_opts"] | {"orientation": "vertical", "spacing": 2},
    ),
    compact={},
)


def posteriors(data: xr.Dataset) -> hv.Overlay:
    """Draw one point cloud per method: draws ``x`` (row, draw, 2), legend entries ``name`` (row).

    Rows where ``exact`` is true hold draws of the exact posterior, which are grey and lie below the others.
    """
    axes = dimensions(data, "posteriors")
    exact = data["exact"].values.astype(bool)
    # exact draws lie under the rest
    order = sorted(range(len(exact)), key=lambda i: not exact[i])
    clouds, colour = [], 0
    for i in order:
        cloud = data["x"].values[i]
        group = "PosteriorsExact" if exact[i] else "PosteriorsModel"
        points = hv.Points((cloud[:, 0], cloud[:, 1]), axes, group=group, label=str(data["name"].values[i]))
        if not exact[i]:
            style = {"color": SERIES[colour % len(SERIES)], "marker": MARKERS[colour % len(MARKERS)]}
            points, colour = points.opts(**style), colour + 1
        clouds.append(points)
    if not clouds:
        clouds = [hv.Points([], axes, group="PosteriorsExact", label="nothing ticked")]
    return overlay(clouds, data, "Posteriors")
