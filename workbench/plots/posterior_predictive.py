"""Ranks of a repeated measurement among its predictions: their distribution less the uniform one."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.calibration import rank_lines


def posterior_predictive(data: xr.Dataset) -> hv.Overlay:
    """Draw one line per observed quantity; the grey band holds the lines of exact predictions."""
    return rank_lines(data, "posterior_predictive", "observed", "rank of the repetition among predictions")
