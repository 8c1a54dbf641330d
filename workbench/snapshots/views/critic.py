"""What the critic has learned beside what it should say, and whether its number can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import Axis, axis_attrs, common_attrs, number_text, pair_axes

#: Log-ratios are drawn between plus and minus this.
LIMIT = 4.0
#: Differences up to the largest of: so many standard errors, this share of the true value, this many nats.
ERRORS, SHARE, NATS = 3.0, 0.25, 0.02
#: Beyond the plane: the optimal log-ratio along, the learned one up.
_EDGE = 1.05 * LIMIT
_RATIOS = (
    Axis(0, "optimal", "log data/model by the densities", "", -_EDGE, _EDGE),
    Axis(1, "learned", "by the critic", "", -_EDGE, _EDGE),
)


def critic(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """``learned`` and ``optimal`` (vertical, horizontal): log p/q of data over model, cut off at ±`LIMIT` and
    NaN where neither has mass. Where x has another number of variables than two there is no picture: then
    ``at_data`` and ``at_model`` (point, 2) hold the optimal and the learned log p/q at points of both laws,
    and the axes are these.

    ``value`` (figure) holds the divergence on the critic's own samples, on held-out ones, and by the known
    densities. ``verdict``: red when the held-out number misses the true one, or the training one, by more
    than `SHARE` of the true value and `ERRORS` standard errors; amber above half of that; green below;
    "unknown" without numbers. ``pair`` is accepted so that every view is called alike.
    """
    arrays = snapshot.arrays
    planar = len(snapshot.x) == 2
    axes = pair_axes(snapshot.x, snapshot.window, (0, 1), "x") if planar else _RATIOS
    first, second = (np.asarray(arrays.get(f"critic_x{i}", ()), dtype=np.float64) for i in range(2))
    if not first.size:
        first, second = (np.linspace(a.low, a.high, 2) for a in axes)
    blank = np.full((len(second), len(first)), np.nan)
    learned, optimal = (
        np.clip(np.asarray(arrays.get(f"critic_{kind}", blank), dtype=np.float64), -LIMIT, LIMIT)
        for kind in ("learned", "optimal")
    )
    figures = np.asarray(arrays.get("critic_figures", np.full(6, np.nan)), dtype=np.float64)
    verdict, sentence = _judged(figures, getattr(snapshot, "notes", {}).get("critic", ""))
    clouds = {
        f"at_{law}": ((f"{law}_point", "side"), _cloud(arrays.get(f"critic_at_{law}")))
        for law in ("data", "model")
    }
    seen = arrays.get("observation") if snapshot.y and planar else None
    where = f" at y = {number_text(seen)}" if seen is not None and np.size(seen) else ""
    return xr.Dataset(
        {
            "learned": (("vertical", "horizontal"), learned, {"long_name": "log p/q by the critic"}),
            "optimal": (("vertical", "horizontal"), optimal, {"long_name": "log p/q by the densities"}),
            "value": ("figure", figures[:3], {"long_name": "divergence", "units": "nats"}),
            "standard_error": ("figure", np.r_[np.nan, figures[3:5]]),
        }
        | clouds,
        coords={
            "horizontal": ("horizontal", first, {"long_name": axes[0].label}),
            "vertical": ("vertical", second, {"long_name": axes[1].label}),
            "figure": ["training", "held out", "true"],
            "side": ["optimal", "learned"],
        },
        attrs=common_attrs(snapshot, "critic", f"Critic{where}")
        | axis_attrs(*axes)
        | {"verdict": verdict, "sentence": sentence, "color_limits": [-LIMIT, LIMIT], "planar": int(planar)},
    )


def _cloud(found: Any) -> np.ndarray:
    points = np.empty((0, 2)) if found is None else np.asarray(found, dtype=np.float64)
    return np.clip(points[np.isfinite(points).all(1)], -LIMIT, LIMIT)


def _judged(figures: np.ndarray, title: str) -> tuple[str, str]:
    own, held_out, true, held_out_error, true_error, zero = figures
    if not np.isfinite(held_out):
        return "unknown", "Not measured yet."
    said = f"{title}: {own:.3g} on its own samples, {held_out:.3g} held out"
    if not np.isfinite(true):
        return "amber", f"{said}; the true value is not finite."
    said += f", truly {true:.3g}."
    error = float(np.hypot(held_out_error, true_error))
    allowed = max(ERRORS * error, SHARE * abs(true - zero), NATS)
    missed, by_heart = true - held_out, own - held_out
    worst = max(abs(missed), abs(by_heart)) / allowed
    if worst <= 0.5:
        return "green", f"{said} The number can be trusted."
    why = (
        "the critic has learned its own samples by heart"
        if abs(by_heart) > abs(missed)
        else "the critic's class misses part of the divergence"
        if missed > 0
        else "the critic finds more than there is"
    )
    return ("red", f"{said} Not to be trusted: {why}.") if worst > 1 else ("amber", f"{said} Careful: {why}.")
