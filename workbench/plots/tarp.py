"""TARP, tests of accuracy with random points: expected coverage against credibility, with a band."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.expected_coverage import credibility_curve


def tarp(data: xr.Dataset) -> hv.Overlay:
    """Draw coverage against credibility: any departure from the diagonal is an error of the posterior."""
    return credibility_curve(data, "tarp", "mass of the ball around a random point")
