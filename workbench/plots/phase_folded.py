"""Measured velocities and the posterior's curves over the phase, folded at one period."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.radial_velocity import measured_curve, register_style

register_style("PhaseFolded")


def phase_folded(data: xr.Dataset) -> hv.Overlay:
    """Draw the same as `radial_velocity`, over one turn."""
    return measured_curve(data, "phase_folded", "phase", "PhaseFolded")
