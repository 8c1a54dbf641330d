"""Transmission loss of the tone over range and depth, for the median of the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment

#: Plotted ranges of range in km and depth in m, which grows downwards; colour scale of the loss in dB.
WINDOW, LIMITS = ((0.3, 3.4), (230.0, 0.0)), (45.0, 90.0)
_SHAPE = (53, 124)


@VIEWS.register
class TransmissionLoss(View):
    """View of the acoustic transmission loss.

    Reads the arrays ocean_loss, ocean_ranges, ocean_levels, ocean_array and ocean_place.
    """

    key = "transmission_loss"
    title = "Transmission loss"
    summary = "Transmission loss of the tone over range and depth, for the posterior's median."
    parts = ("ocean",)
    position = 52

    def applies(self, experiment: Experiment) -> bool:
        """Return True for an inverse problem that has sound speed profiles."""
        return bool(experiment.problem.shapes.y) and hasattr(experiment.problem, "speed_profiles")

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return ``loss`` (level, range) in dB over depth and range, with source, hydrophones and seabed.

        ``source`` is the depth of the source, at range 0, ``array_range`` and ``array_depth`` (hydrophone,)
        the places of the hydrophones, ``seabed`` the depth of the seabed. ``pair`` is ignored.
        """
        loss = rows(snapshot, "ocean_loss", None)
        at = [rows(snapshot, name, None).reshape(-1) for name in ("ocean_ranges", "ocean_levels")]
        if not loss.size:
            at = [np.linspace(300, 3400, _SHAPE[1]), np.linspace(2, 210, _SHAPE[0])]
            loss = np.full(_SHAPE, np.nan)
        place = rows(snapshot, "ocean_place", None).reshape(-1)
        distance, source, depth, tilt = place if place.size == 4 else np.full(4, np.nan)
        array = rows(snapshot, "ocean_array", None).reshape(-1)
        ranges = (distance + np.tan(np.radians(tilt)) * (depth - array)) / 1000
        return xr.Dataset(
            {
                "loss": (("level", "range"), loss, {"units": "dB"}),
                "array_range": ("hydrophone", ranges, {"units": "km"}),
                "array_depth": ("hydrophone", array, {"units": "m"}),
                "source": ((), source, {"units": "m"}),
                "seabed": ((), depth, {"units": "m"}),
            },
            coords={"range": at[0] / 1000, "level": at[1]},
            attrs=common_attrs(
                snapshot, "transmission_loss", "Transmission loss at 148 Hz, posterior's median"
            )
            | {
                "horizontal_label": "range from the source [km]",
                "vertical_label": "depth [m]",
                "horizontal_window": list(WINDOW[0]),
                "vertical_window": list(WINDOW[1]),
                "color_limits": list(LIMITS),
            },
        )
