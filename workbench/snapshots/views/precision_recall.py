"""Precision and recall of the model against the data, at every trade-off between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs

#: Precision is read off where it counts this many times as much as recall, and the other way round.
EXTREME = 20.0


def precision_recall(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """``known_*`` from densities and ``critic_*`` from a critic's ratio, (trade-offs,): both may be empty.

    ``mark_*`` is the objective's own trade-off, where it has one. The point (1, 1) is a perfect model.
    ``pair`` is accepted so that every view is called alike.
    """
    curves = {kind: _curve(snapshot, kind) for kind in ("known", "critic")}
    figures = np.asarray(
        snapshot.arrays.get("precision_recall_figures", np.full(3, np.nan)), dtype=np.float64
    )
    best = curves["known"] if len(curves["known"]) else curves["critic"]
    own = "the run's critic" if figures[1] == 1 else "a fresh critic"
    mark = _nearest(best, figures[2])
    return xr.Dataset(
        {
            f"{kind}_{name}": (f"{kind}_point", curve[:, column], {"long_name": name, "units": "1"})
            for kind, curve in curves.items()
            for column, name in enumerate(("recall", "precision"))
        }
        | {"mark_recall": ("mark", mark[:, 0]), "mark_precision": ("mark", mark[:, 1])},
        attrs=common_attrs(snapshot, "precision_recall", "Precision and recall")
        | {
            "verdict": "unknown",
            "sentence": _sentence(best, own if not len(curves["known"]) else "the known densities"),
            "critic_label": own,
            "measured_at": int(figures[0]) if np.isfinite(figures[0]) else -1,
            "horizontal_label": "recall",
            "vertical_label": "precision",
            "horizontal_window": [-0.02, 1.04],
            "vertical_window": [-0.02, 1.04],
        },
    )


def _curve(snapshot: Any, kind: str) -> np.ndarray:
    found = snapshot.arrays.get(f"precision_recall_{kind}")
    return np.empty((0, 2)) if found is None else np.asarray(found, dtype=np.float64).reshape(-1, 2)


def _nearest(curve: np.ndarray, trade_off: float) -> np.ndarray:
    """The point of the curve on the line precision = λ recall: (1, 2), or none."""
    if not len(curve) or not math.isfinite(trade_off):
        return np.empty((0, 2))
    angle = np.arctan2(curve[:, 1], curve[:, 0])
    return curve[[int(np.abs(angle - math.atan(trade_off)).argmin())]]


def _sentence(curve: np.ndarray, source: str) -> str:
    if not len(curve):
        return "Not measured yet."
    precision = _nearest(curve, EXTREME)[0, 1]
    recall = _nearest(curve, 1 / EXTREME)[0, 0]
    both = float(curve.min(axis=1).max())
    return (
        f"By {source}: precision {precision:.2f} (draws that look like data), recall {recall:.2f} (data that "
        f"is drawn), both at once {both:.2f}."
    )
