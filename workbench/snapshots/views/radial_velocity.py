"""The measured velocity of a star over time, and the curves that the posterior lays through it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, round_up, rows

#: Share of the draws inside the band at each place, and how many single curves are drawn.
BAND, CURVES = 0.9, 15


def radial_velocity(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Velocity ``observed`` with its ``error`` at ``time``; band and single curves of model and reference.

    ``model_low``, ``model_middle``, ``model_high`` (place) hold 5, 50 and 95 % of the draws' curves at
    each place, ``model_curve`` (model_draw, place) are some of them; the same with ``reference``. Snapshot
    arrays ``curve_at``, ``curve``, ``curve_reference``, ``curve_times``, ``curve_errors`` and
    ``observation``. ``pair`` is accepted so that every view is called alike.
    """
    at, times = _line(snapshot, "curve_at"), _line(snapshot, "curve_times")
    seen = _line(snapshot, "observation")[: len(times)]
    margin = 0.02 * (times[-1] - times[0]) if len(times) else 0.0
    window = [float(times[0] - 2 * margin), float(times[-1] + 2 * margin)] if len(times) else [0.0, 1.0]
    return xr.Dataset(
        {
            "time": ("measurement", times, {"long_name": "time", "units": "d"}),
            "observed": ("measurement", seen, {"long_name": "radial velocity", "units": "m/s"}),
            "error": ("measurement", _line(snapshot, "curve_errors"), {"units": "m/s"}),
            "at": ("place", at, {"long_name": "time", "units": "d"}),
            **bands(snapshot, "curve", len(at)),
        },
        attrs=common_attrs(snapshot, "radial_velocity", f"Velocity curve · band of {BAND:.0%}")
        | {
            "horizontal_label": "time [d]",
            "vertical_label": "radial velocity [m/s]",
            "horizontal_window": window,
            "vertical_window": height(seen),
        },
    )


def height(seen: np.ndarray) -> list[float]:
    """An even range with room for all measurements ``seen``."""
    edge = round_up(1.3 * float(np.abs(seen).max())) if len(seen) else 1.0
    return [-edge, edge]


def bands(snapshot: Any, name: str, places: int) -> dict[str, Any]:
    """Quantiles and some curves of the arrays ``name`` (model) and ``name_reference``, both (draw, place)."""
    found: dict[str, Any] = {}
    levels = {"low": 0.5 - BAND / 2, "middle": 0.5, "high": 0.5 + BAND / 2}
    for prefix, key in (("model", name), ("reference", f"{name}_reference")):
        drawn = rows(snapshot, key, None)
        drawn = drawn if drawn.size else np.empty((0, places))
        for level, share in levels.items():
            curve = np.quantile(drawn, share, axis=0) if len(drawn) else np.full(places, np.nan)
            found[f"{prefix}_{level}"] = ("place", curve, {"units": "m/s"})
        found[f"{prefix}_curve"] = ((f"{prefix}_draw", "place"), drawn[:CURVES], {"units": "m/s"})
    return found


def _line(snapshot: Any, name: str) -> np.ndarray:
    return rows(snapshot, name, None).reshape(-1)
