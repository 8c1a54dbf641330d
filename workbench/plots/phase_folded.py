"""All orbits laid on one: measured velocities and the posterior's curves over the phase."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.radial_velocity import dress, measured_curve

dress("PhaseFolded")


def phase_folded(data: xr.Dataset) -> hv.Overlay:
    """As `radial_velocity`, over one turn."""
    return measured_curve(data, "phase_folded", "phase", "PhaseFolded")
