"""Every term of the loss over the iterations, on the training and on the validation data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, round_up
from workbench.training.history import MEASURED

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Record

    Curve = tuple[np.ndarray, np.ndarray]

#: Largest number of points of a curve.
POINTS = 1000
#: Spikes begin this many interquartile ranges beyond the quartiles; a term extends the axis by at most this
#: many ranges of the total loss.
FENCE, STRETCH = 4.0, 8.0


@VIEWS.register
class Losses(View):
    """View of the loss; it reads the records of the history and no arrays."""

    key = "losses"
    title = "Loss"
    summary = "Every part of the loss, on training and validation data."
    position = 80
    over_time = True

    def dataset(
        self,
        snapshot: SnapshotLike,
        *,
        pair: tuple[int, int] = (0, 1),
        records: Sequence[Record] | None = None,
        steps: int = 0,
    ) -> xr.Dataset:
        """Return ``train`` and ``validation`` (part, point) with their iterations, at most 1000 points each.

        A part is a term of the loss; the total "loss" is the first. A longer curve is thinned to the lowest
        and the highest value of each bucket of iterations, so that no spike is lost; shorter ones are padded
        with NaN. ``pair`` is ignored.

        Parameters
        ----------
        records : the whole history where the snapshot holds only new records.
        steps : planned number of steps, the length of the horizontal axis (0: that of the snapshot, or a
            rounded last iteration).
        """
        records = snapshot.records if records is None else records
        names = _names(records)
        train = [_shortened(*_curve(records, "parts", name)) for name in names]
        validation = [_shortened(*_curve(records, "validation", name)) for name in names]
        last = max((r.iteration for r in records), default=0)
        steps = steps or snapshot.steps
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

    def caption(self, data: xr.Dataset) -> str:
        """Return "validation dashed" once there are validation values."""
        return "validation dashed" if bool(data["validation"].notnull().any()) else ""


def _names(records: Sequence[Record]) -> list[str]:
    """Return the names of the loss terms, total first, without terms equal to it or measured divergences."""
    # the last record has every part
    names = dict.fromkeys(
        name
        for r in (records[-1:] or ())
        for name in (*r.parts, *r.validation)
        if not name.startswith(MEASURED)
    )
    equal = {
        name
        for name in names
        if name != "loss" and all(r.parts.get(name) == r.parts.get("loss") for r in records)
    }
    return sorted((name for name in names if name not in equal), key=lambda name: name != "loss")


def _curve(records: Sequence[Record], kind: str, name: str) -> Curve:
    pairs = [(r.iteration, getattr(r, kind)[name]) for r in records if name in getattr(r, kind)]
    table = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _shortened(iteration: np.ndarray, value: np.ndarray, limit: int = POINTS) -> Curve:
    """Thin a curve to the lowest and the highest value of each of ``limit / 2`` buckets of iterations."""
    if len(value) <= limit:
        return iteration, value
    edges = np.linspace(0, len(value), limit // 2 + 1).astype(int)
    places = [
        i
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
        for i in sorted(
            {start + _extreme(value[start:stop], np.argmin), start + _extreme(-value[start:stop], np.argmin)}
        )
    ]
    return iteration[places], value[places]


def _extreme(values: np.ndarray, find: Callable[[np.ndarray], Any]) -> int:
    return int(find(np.where(np.isfinite(values), values, np.inf)))


def _table(kind: str, curves: list[Curve]) -> dict[str, Any]:
    length = max((len(v) for _, v in curves), default=0)
    table = np.full((2, len(curves), length), np.nan)
    for row, pair in enumerate(curves):
        for side, values in enumerate(pair):
            table[side, row, : len(values)] = values
    return {
        f"{kind}_iteration": (("part", f"{kind}_point"), table[0], {"long_name": "iteration"}),
        kind: (("part", f"{kind}_point"), table[1], {"long_name": f"{kind} loss"}),
    }


def _limits(total: list[np.ndarray], others: list[np.ndarray]) -> tuple[float, float]:
    """Return rounded ends (low, high) of the vertical axis, robust against outliers.

    The steep start of a curve and spikes may lie outside, later noise may not, and no other term stretches
    the axis so far that the total loss becomes a flat line.
    """
    extents = [_extent(v) for v in total if np.isfinite(v).any()]
    parts = [_extent(v) for v in others if np.isfinite(v).any()]
    extents = extents or parts
    if not extents:
        return 0.0, 1.0
    low, high = min(e[0] for e in extents), max(e[1] for e in extents)
    room = STRETCH * max(high - low, 0.1 * max(abs(high), abs(low)))
    floor, ceiling = low - room, high + room
    for lowest, highest in parts:
        low, high = min(low, max(lowest, floor)), max(high, min(highest, ceiling))
    step = round_up(max(high - low, 1e-3 * max(abs(high), abs(low)), 1e-9) / 4)
    return float(np.floor(low / step - 0.1) * step), float(np.ceil(high / step + 0.1) * step)


def _extent(values: np.ndarray) -> tuple[float, float]:
    """Return the 1 % and 97 % quantiles, clipped to `FENCE` interquartile ranges beyond the quartiles."""
    low, first, third, high = np.quantile(values[np.isfinite(values)], (0.01, 0.25, 0.75, 0.97))
    fence = FENCE * (third - first)
    return max(low, first - fence), min(high, third + fence)
