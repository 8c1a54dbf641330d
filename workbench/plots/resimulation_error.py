"""Distance between the observation and simulations from its posterior, over observations."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.cumulative import NOTHING, cumulative_shares


def resimulation_error(data: xr.Dataset) -> hv.Overlay:
    """Draw the distribution function of squared distances in y; dotted: the mean of an exact posterior."""
    model = data["error_by_observation"].values if "error_by_observation" in data else NOTHING
    mark = float(data["floor"]) if "floor" in data else np.nan
    return cumulative_shares(
        data, "resimulation_error", "squared distance, in variances of y", model, mark=mark
    )
