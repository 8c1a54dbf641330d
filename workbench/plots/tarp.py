"""Coverage of balls around random points (TARP) over their credibility, in a simultaneous band."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.expected_coverage import credibility_curve


def tarp(data: xr.Dataset) -> hv.Overlay:
    """Draw the coverage: any departure from the diagonal is an error."""
    return credibility_curve(data, "tarp", "mass of the ball around a random point")
