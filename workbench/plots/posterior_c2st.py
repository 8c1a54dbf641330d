"""Accuracy of a classifier (C2ST) between the model's posterior and the exact one, over observations."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def posterior_c2st(data: xr.Dataset) -> hv.Overlay:
    """Draw the distribution function of the accuracy over observations.

    At the dotted line, 1/2, the posteriors cannot be told apart.
    """
    model = data["c2st_by_observation"].values
    return cumulative_shares(data, "posterior_c2st", "C2ST", model, mark=0.5, window=(0.4, 1.0))
