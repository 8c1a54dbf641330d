"""Posterior predictive check: ranks of a repeated measurement among predictions, against uniform ranks."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.calibration import rank_lines


def posterior_predictive(data: xr.Dataset) -> hv.Overlay:
    """Draw a line per observed quantity: distribution function of the ranks minus the uniform one.

    Under the exact posterior all lines lie in the grey band.
    """
    return rank_lines(data, "posterior_predictive", "observed", "rank of the repetition among predictions")
