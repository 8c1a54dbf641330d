"""Observations simulated from posterior draws, around the chosen observation, which they should reproduce."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import axis_attrs, cloud, common_attrs, pair_axes, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike


@VIEWS.register
class Resimulation(View):
    """View of simulated observations; reads the arrays resimulated_y, observation and data_y."""

    key = "resimulation"
    title = "Observations"
    summary = "Tap to choose the observation; simulations from its posterior should land on it."
    parts = ("posterior", "samples")
    needs_problem = frozenset({Capability.OBSERVATION})
    position = 10

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return observations: the data's ``data_*``, simulated ``resimulated_*``, and ``observation_*``.

        ``error`` is the root mean squared distance of the simulated to the chosen observation in the units of
        y (NaN where the problem cannot simulate). ``pair`` selects the components of y.
        """
        axes = pair_axes(snapshot.y, snapshot.observation_window, pair, "y")
        again, target = rows(snapshot, "resimulated_y"), rows(snapshot, "observation").reshape(-1)
        finite = again[np.isfinite(again).all(1)] if again.size else again
        error = (
            float(np.sqrt(np.square(finite - target).sum(1).mean()))
            if len(finite) and target.size
            else np.nan
        )
        title = "Resimulated observations" + (f" · rms distance {error:.2g}" if np.isfinite(error) else "")
        point = target.reshape(1, -1) if target.size else np.empty((0, 0))
        return xr.Dataset(
            {
                **cloud("data", rows(snapshot, "data_y"), *axes),
                **cloud("resimulated", again, *axes),
                **cloud("observation", point, *axes),
                "error": ((), error),
            },
            attrs=common_attrs(snapshot, "resimulation", title) | axis_attrs(*axes),
        )
