"""Wasserstein distance W2 between the model's posterior and the exact one, over observations."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def posterior_wasserstein(data: xr.Dataset) -> hv.Overlay:
    """Draw the distribution of W2 over observations; dashed: W2 between two exact samples."""
    model, exact = data["error_by_observation"].values, data["floor_by_observation"].values
    label = "W2 to the exact posterior, in its deviations"
    return cumulative_shares(data, "posterior_wasserstein", label, model, exact)
