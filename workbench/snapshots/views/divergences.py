"""Divergences that are measured while a run trains, whatever it trains with, over the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, round_up

#: What stands before a divergence's key in a record's validation, and the lowest value that is drawn.
MEASURED, LOWEST, HIGHEST = "measured.", 1e-4, 1e1
POINTS = 500


def divergences(
    snapshot: Any, *, pair: tuple[int, int] = (0, 1), records: Sequence | None = None, steps: int = 0
) -> xr.Dataset:
    """``value`` (divergence, point) with their iterations; NaN where a divergence was not measured.

    Parameters as in `losses`. An unbiased estimate may fall below zero: the plot draws it at the bottom.
    """
    records = snapshot.records if records is None else records
    measured = [
        (
            r.iteration,
            {k.removeprefix(MEASURED): v for k, v in r.validation.items() if k.startswith(MEASURED)},
        )
        for r in records
    ]
    measured = [(iteration, values) for iteration, values in measured if values]
    measured = measured[:: -(-len(measured) // POINTS) or 1] if measured else []
    names = list(dict.fromkeys(name for _, values in measured for name in values))
    table = np.array(
        [[values.get(name, np.nan) for _, values in measured] for name in names], dtype=np.float64
    ).reshape(len(names), len(measured))
    last = max((r.iteration for r in records), default=0)
    steps = steps or int(getattr(snapshot, "steps", 0))
    return xr.Dataset(
        {
            "value": (("divergence", "point"), table, {"long_name": "divergence"}),
            "iteration": ("point", np.array([i for i, _ in measured], dtype=np.float64)),
        },
        coords={"divergence": ("divergence", np.asarray(names or [""], dtype=str)[: len(names)])},
        attrs=common_attrs(snapshot, "divergences", "Measured divergences")
        | {
            "horizontal_label": "iteration",
            "vertical_label": "held out, each in its own units",
            "horizontal_window": [0.0, max(float(steps), last if steps else round_up(max(last, 10)))],
            "vertical_window": [float(np.log10(LOWEST)), float(np.log10(HIGHEST))],
        },
    )
