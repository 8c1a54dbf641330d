"""How well seabeds match what was heard, over two unknowns, with the posterior on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import axis, axis_attrs, common_attrs, rows

#: Draws of each kind on the map.
POINTS = 400
_FEWEST = 33


def ambiguity_surface(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """``match`` (vertical, horizontal) between 0 and 1, and draws ``model_*`` and ``reference_*`` of both
    unknowns.

    Snapshot arrays ``ambiguity``, ``ambiguity_0``, ``ambiguity_1``, ``ambiguity_pair``,
    ``ambiguity_posterior`` and ``ambiguity_reference``. The pair is the snapshot's: the match was computed
    for that one.
    """
    known = rows(snapshot, "ambiguity_pair").reshape(-1)
    first, second = (int(v) for v in known) if known.size == 2 else (0, min(1, max(0, len(snapshot.x) - 1)))
    axes = tuple(axis(snapshot.x, snapshot.window, column, "x") for column in (first, second))
    match = rows(snapshot, "ambiguity", None)
    at = [rows(snapshot, f"ambiguity_{i}", None).reshape(-1) for i in (0, 1)]
    if not match.size:
        at = [np.linspace(a.low, a.high, 2 * _FEWEST + 1)[1::2] for a in axes]
        match = np.full((_FEWEST, _FEWEST), np.nan)
    drawn = {name: rows(snapshot, f"ambiguity_{key}", POINTS) for name, key in
             (("model", "posterior"), ("reference", "reference"))}  # fmt: skip
    return xr.Dataset(
        {
            "match": (("vertical", "horizontal"), match, {"long_name": "Bartlett match"}),
            **{
                f"{name}_{side}": (f"{name}_draw", table[:, i] if table.size else np.empty(0))
                for name, table in drawn.items()
                for i, side in enumerate(("horizontal", "vertical"))
            },
        },
        coords={"horizontal": at[0], "vertical": at[1]},
        attrs=common_attrs(snapshot, "ambiguity_surface", "Match with what was heard, others at their median")
        | axis_attrs(*axes)
        | {"color_limits": [0.0, 1.0]},
    )
