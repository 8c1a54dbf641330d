"""Every part of the loss over the iterations, on the training and on the validation data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, round_up
from workbench.training.history import MEASURED

#: At most so many points a curve.
POINTS = 1000
#: Interquartile ranges beyond the quartiles where spikes begin; how many times the span of the total loss a
#: part may add to either end of the axis.
FENCE, STRETCH = 4.0, 8.0


def losses(
    snapshot: Any, *, pair: tuple[int, int] = (0, 1), records: Sequence | None = None, steps: int = 0
) -> xr.Dataset:
    """``train`` and ``validation`` (part, point) with their iterations, at most 1000 points a curve.

    Each bucket of a long curve keeps its lowest and its highest value, so that no spike is lost. The total
    "loss" is the first part; unfilled places are NaN.

    Parameters
    ----------
    records : the whole history where the snapshot holds only what is new; records have ``iteration``,
        ``parts`` and ``validation``.
    steps : the planned number of steps, which is the length of the horizontal axis (0: the snapshot's own,
        or a rounded last iteration).
    """
    records = snapshot.records if records is None else records
    names = _names(records)
    train = [_shortened(*_curve(records, "parts", name)) for name in names]
    validation = [_shortened(*_curve(records, "validation", name)) for name in names]
    last = max((r.iteration for r in records), default=0)
    steps = steps or int(getattr(snapshot, "steps", 0))
    end = max(float(steps), last if steps else round_up(max(last, 10)))
    curves = list(zip([*names, *names], (v for _, v in train + validation), strict=True))
    low, high = _limits([v for n, v in curves if n == "loss"], [v for n, v in curves if n != "loss"])
    return xr.Dataset(
        {**_table("train", train), **_table("validation", validation)},
        coords={"part": ("part", np.asarray(names or [""], dtype=str)[: len(names)])},
        attrs=common_attrs(snapshot, "losses", "Loss: training solid, validation dashed")
        | {
            "horizontal_label": "iteration",
            "vertical_label": "loss",
            "horizontal_window": [0.0, end],
            "vertical_window": [low, high],
        },
    )


def _names(records: Sequence) -> list[str]:
    # the last record knows every part; the total comes first, and a part that is the total is not drawn twice
    # what was only measured is no part of the loss
    found = dict.fromkeys(
        name
        for r in (records[-1:] or ())
        for name in (*r.parts, *r.validation)
        if not name.startswith(MEASURED)
    )
    single = {
        name
        for name in found
        if name != "loss" and all(r.parts.get(name) == r.parts.get("loss") for r in records)
    }
    return sorted((name for name in found if name not in single), key=lambda name: name != "loss")


def _curve(records: Sequence, kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(r.iteration, getattr(r, kind)[name]) for r in records if name in getattr(r, kind)]
    table = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _shortened(
    iteration: np.ndarray, value: np.ndarray, limit: int = POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest of each of ``limit / 2`` buckets, in the order of the iterations."""
    if len(value) <= limit:
        return iteration, value
    edges = np.linspace(0, len(value), limit // 2 + 1).astype(int)
    kept = [
        i
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
        for i in sorted(
            {start + _extreme(value[start:stop], np.argmin), start + _extreme(-value[start:stop], np.argmin)}
        )
    ]
    return iteration[kept], value[kept]


def _extreme(values: np.ndarray, find: Any) -> int:
    return int(find(np.where(np.isfinite(values), values, np.inf)))


def _table(kind: str, curves: list) -> dict[str, Any]:
    length = max((len(v) for _, v in curves), default=0)
    padded = np.full((2, len(curves), length), np.nan)
    for row, pair in enumerate(curves):
        for side, values in enumerate(pair):
            padded[side, row, : len(values)] = values
    return {
        f"{kind}_iteration": (("part", f"{kind}_point"), padded[0], {"long_name": "iteration"}),
        kind: (("part", f"{kind}_point"), padded[1], {"long_name": f"{kind} loss"}),
    }


def _limits(total: list[np.ndarray], others: list[np.ndarray]) -> tuple[float, float]:
    """Robust limits in rounded steps: the steep start of a curve and spikes may leave the axis, later noise
    may not, and no part stretches the axis so far that the loss itself is a flat line."""
    found = [_extent(v) for v in total if np.isfinite(v).any()]
    parts = [_extent(v) for v in others if np.isfinite(v).any()]
    found = found or parts
    if not found:
        return 0.0, 1.0
    low, high = min(f[0] for f in found), max(f[1] for f in found)
    room = STRETCH * max(high - low, 0.1 * max(abs(high), abs(low)))
    floor, ceiling = low - room, high + room
    for lowest, highest in parts:
        low, high = min(low, max(lowest, floor)), max(high, min(highest, ceiling))
    step = round_up(max(high - low, 1e-3 * max(abs(high), abs(low)), 1e-9) / 4)
    return float(np.floor(low / step - 0.1) * step), float(np.ceil(high / step + 0.1) * step)


def _extent(values: np.ndarray) -> tuple[float, float]:
    """From the 1 % to the 97 % quantile, as far as that is within four interquartile ranges of the
    quartiles."""
    low, first, third, high = np.quantile(values[np.isfinite(values)], (0.01, 0.25, 0.75, 0.97))
    fence = FENCE * (third - first)
    return max(low, first - fence), min(high, third + fence)
