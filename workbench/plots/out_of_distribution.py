"""Out-of-distribution test: p values of fresh observations, and p of the tested observation."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def out_of_distribution(data: xr.Dataset) -> hv.Overlay:
    """Draw the distribution function of fresh p values; dotted: the p value of the tested observation.

    If fresh observations are like those of the training, the function lies on or below the diagonal.
    """
    grid = np.linspace(0, 1, 50)
    names, mark = ("fresh ones", "uniform"), float(data["p"])
    label = "p value of an observation"
    fresh = data["fresh_p"].values
    return cumulative_shares(
        data, "out_of_distribution", label, fresh, grid, mark=mark, window=(0, 1), names=names
    )
