"""Speed of sound over depth: the water, the array in it, and the seabeds that the posterior proposes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, rows

#: Share of the draws inside the band at each depth, and how many single profiles are drawn.
BAND, PROFILES = 0.9, 20
#: m/s and m; depth grows downwards.
WINDOW = ((1470.0, 1920.0), (290.0, 0.0))


def sound_speed_profile(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """``model_low``, ``model_middle``, ``model_high`` (place): 5, 50 and 95 % of the speeds at each
    ``depth``; ``model_profile`` (model_draw, place) some of them; the same with ``reference``; ``array``
    (hydrophone) depths.

    Snapshot arrays ``ocean_depths``, ``ocean_speeds``, ``ocean_speeds_reference`` and ``ocean_array``.
    ``pair`` is accepted so that every view is called alike.
    """
    depth = rows(snapshot, "ocean_depths", None).reshape(-1)
    found: dict[str, Any] = {}
    levels = {"low": 0.5 - BAND / 2, "middle": 0.5, "high": 0.5 + BAND / 2}
    for prefix, key in (("model", "ocean_speeds"), ("reference", "ocean_speeds_reference")):
        drawn = rows(snapshot, key, None)
        drawn = drawn if drawn.size else np.empty((0, len(depth)))
        for level, share in levels.items():
            curve = np.quantile(drawn, share, axis=0) if len(drawn) else np.full(len(depth), np.nan)
            found[f"{prefix}_{level}"] = ("place", curve, {"units": "m/s"})
        found[f"{prefix}_profile"] = ((f"{prefix}_draw", "place"), drawn[:PROFILES], {"units": "m/s"})
    array = rows(snapshot, "ocean_array", None).reshape(-1)
    return xr.Dataset(
        {"depth": ("place", depth, {"units": "m"}), "array": ("hydrophone", array, {"units": "m"}), **found},
        attrs=common_attrs(snapshot, "sound_speed_profile", f"Sound speed · {BAND:.0%} of the seabeds")
        | {
            "horizontal_label": "sound speed [m/s]",
            "vertical_label": "depth [m]",
            "horizontal_window": list(WINDOW[0]),
            "vertical_window": list(WINDOW[1]),
        },
    )
