"""Local classifier two-sample test: distance of the class probability from 1/2, over observations."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def local_c2st(data: xr.Dataset) -> hv.Overlay:
    """Draw the distribution function, over observations, of the mean |P − 1/2|; P is the class probability.

    Dashed: under the null hypothesis, where labels are swapped at random within pairs of draws.
    """
    label = "mean |P − 1/2|"
    return cumulative_shares(
        data, "local_c2st", label, data["bias"].values, data["chance"].values, window=(0.0, 0.5)
    )
