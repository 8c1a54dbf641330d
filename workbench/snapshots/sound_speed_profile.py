"""Speed of sound over depth: the water, hydrophones in it, and the seabeds that the posterior proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, rows
from workbench.snapshots.radial_velocity import BAND, bands

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment

#: Number of single profiles that are shown.
PROFILES = 20
#: Plotted ranges of speed in m/s and depth in m, which grows downwards.
WINDOW = ((1470.0, 1920.0), (290.0, 0.0))


@VIEWS.register
class SoundSpeedProfile(View):
    """View of sound speed over depth.

    Reads the arrays ocean_depths, ocean_speeds, ocean_speeds_reference and ocean_array.
    """

    key = "sound_speed_profile"
    title = "Sound speed"
    summary = "Speed of sound over depth: water, hydrophones, and the seabeds that the posterior proposes."
    parts = ("ocean",)
    position = 50

    def applies(self, experiment: Experiment) -> bool:
        """Return True for an inverse problem that has sound speed profiles."""
        return bool(experiment.problem.shapes.y) and hasattr(experiment.problem, "speed_profiles")

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return bands and single profiles of sound speed over ``depth``, for model and reference.

        ``model_low``, ``model_middle``, ``model_high`` (place) are the 5, 50 and 95 % quantiles of the speeds
        at each depth, ``model_profile`` (model_draw, place) single profiles; ``reference_*`` likewise.
        ``array`` (hydrophone) holds the depths of the hydrophones. ``pair`` is ignored.
        """
        depth = rows(snapshot, "ocean_depths", None).reshape(-1)
        array = rows(snapshot, "ocean_array", None).reshape(-1)
        return xr.Dataset(
            {
                "depth": ("place", depth, {"units": "m"}),
                "array": ("hydrophone", array, {"units": "m"}),
                **bands(snapshot, "ocean_speeds", len(depth), single="profile", n=PROFILES),
            },
            attrs=common_attrs(snapshot, "sound_speed_profile", f"Sound speed · {BAND:.0%} of the seabeds")
            | {
                "horizontal_label": "sound speed [m/s]",
                "vertical_label": "depth [m]",
                "horizontal_window": list(WINDOW[0]),
                "vertical_window": list(WINDOW[1]),
            },
        )
