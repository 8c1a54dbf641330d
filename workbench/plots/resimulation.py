"""Observations simulated from the posterior's draws, around the chosen observation.

A page may attach `hv.streams.Tap` to let the user choose another one.
"""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    dimensions,
    fix_axes,
    overlay,
    points,
    register,
)

register(
    hv.opts.Points("ResimulationData", color=NEUTRAL, size=3, alpha=0.35, line_alpha=0),
    hv.opts.Points("ResimulationModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Points(
        "ResimulationChosen", color=REFERENCE, size=13, marker="circle_cross", fill_alpha=0.0, line_width=2
    ),
    hv.opts.Overlay("Resimulation", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def resimulation(data: xr.Dataset) -> hv.Overlay:
    """Draw data as grey dots, simulations from the posterior as crosses, the chosen observation as a ring."""
    axes = dimensions(data, "resimulation")
    return overlay(
        [
            points(data, "data", axes, "ResimulationData", "data"),
            points(data, "resimulated", axes, "ResimulationModel", "resimulated"),
            points(data, "observation", axes, "ResimulationChosen", "observed"),
        ],
        data,
        "Resimulation",
    )
