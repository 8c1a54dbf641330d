"""The posterior sent through the simulator again: does it land on the observation?"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import axis_attrs, cloud, common_attrs, pair_axes, rows


def resimulation(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """All observations ``data_*``, the posterior's ``resimulated_*`` and the chosen ``observation_*``.

    ``error`` is the root mean squared distance of the resimulated to the chosen observation in the units of
    y (NaN where the problem cannot simulate). ``pair`` picks the components of y.
    """
    axes = pair_axes(snapshot.y, snapshot.observation_window, pair, "y")
    again, chosen = rows(snapshot, "resimulated_y"), rows(snapshot, "observation").reshape(-1)
    finite = again[np.isfinite(again).all(1)] if again.size else again
    error = (
        float(np.sqrt(np.square(finite - chosen).sum(1).mean())) if len(finite) and chosen.size else np.nan
    )
    title = "Resimulated observations" + (f" · rms distance {error:.2g}" if np.isfinite(error) else "")
    point = chosen.reshape(1, -1) if chosen.size else np.empty((0, 0))
    return xr.Dataset(
        {
            **cloud("data", rows(snapshot, "data_y"), *axes),
            **cloud("resimulated", again, *axes),
            **cloud("observation", point, *axes),
            "error": ((), error),
        },
        attrs=common_attrs(snapshot, "resimulation", title) | axis_attrs(*axes),
    )
