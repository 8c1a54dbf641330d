"""MMD² between the model's posterior and the exact one, over observations."""

from __future__ import annotations

import holoviews as hv
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def posterior_mmd(data: xr.Dataset) -> hv.Overlay:
    """Draw the distribution of MMD² over observations; dashed: MMD² between two exact samples."""
    model, exact = data["error_by_observation"].values, data["floor_by_observation"].values
    return cumulative_shares(data, "posterior_mmd", "MMD² to the exact posterior", model, exact)
