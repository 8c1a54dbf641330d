"""Measured velocities and the posterior's curves over the orbital phase, folded at one period."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.radial_velocity import measured_curve, register_style

register_style("PhaseFolded")


def phase_folded(data: xr.Dataset) -> hv.Overlay:
    """Draw band, curves and measurements as `radial_velocity` does, over the phase from −1/2 to 1/2 turn."""
    return measured_curve(data, "phase_folded", "phase", "PhaseFolded")
