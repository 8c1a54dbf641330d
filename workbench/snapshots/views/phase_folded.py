"""The velocity of a star, all orbits laid on one: folded at the period of most draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, rows
from workbench.snapshots.views.radial_velocity import bands, height


def phase_folded(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Velocity ``observed`` less the systemic one, with its ``error``, at ``phase`` (turns, 0: the middle
    of the nights).

    Bands and curves as in `radial_velocity`, of those draws whose period keeps step with ``period`` (d)
    over all the nights; ``model_share`` and ``reference_share`` say how many do. Snapshot arrays ``fold_*``.
    """
    at, phases = (rows(snapshot, name, None).reshape(-1) for name in ("fold_at", "fold_phases"))
    seen = rows(snapshot, "fold_observed", None).reshape(-1)
    single = {name: _single(snapshot, f"fold_{name}") for name in ("period", "share", "reference_share")}
    title = "Folded curve"
    if np.isfinite(single["period"]):
        title = f"Folded curve at {single['period']:.2f} d, the period of {single['share']:.0%}"
        known = single["reference_share"]
        title += f" (reference: {known:.0%})" if np.isfinite(known) else ""
    return xr.Dataset(
        {
            "phase": ("measurement", phases, {"long_name": "phase", "units": "turn"}),
            "observed": ("measurement", seen, {"long_name": "radial velocity", "units": "m/s"}),
            "error": ("measurement", rows(snapshot, "curve_errors", None).reshape(-1), {"units": "m/s"}),
            "at": ("place", at, {"long_name": "phase", "units": "turn"}),
            **bands(snapshot, "fold", len(at)),
            "period": ((), single["period"], {"units": "d"}),
            "model_share": ((), single["share"]),
            "reference_share": ((), single["reference_share"]),
        },
        attrs=common_attrs(snapshot, "phase_folded", title)
        | {
            "horizontal_label": "phase [turns]",
            "vertical_label": "velocity less the systemic one [m/s]",
            "horizontal_window": [-0.5, 0.5],
            "vertical_window": height(seen),
        },
    )


def _single(snapshot: Any, name: str) -> float:
    found = rows(snapshot, name, None).reshape(-1) if name in snapshot.arrays else np.empty(0)
    return float(found[0]) if len(found) else np.nan
