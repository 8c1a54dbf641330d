"""The bound of Theorem 3.1 from measured quantities, term by term, beside the true distance where it is
known."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs

#: The terms in the order of the snapshot's arrays: name, and how a row is called.
TERMS = {
    "truth": "true error",
    "floor": "two exact samples",
    "bound": "bound",
    "supervised": "part of y: J √L_y",
    "unsupervised": "part of z",
    "lipschitz": "J, slope of T⁻¹",
    "misfit": "L_y, misfit of y",
    "divergence": "D, held out",
    "gap": "η, gap of the critic",
    "overfit": "r, overfit",
    "total_variation": "TV ≤ c_f √D",
    "moment": "moments R",
    "realisable": "an exact T exists",
}
STATUSES = ("", "declared", "measured", "not checkable")
#: The axis: decimal logarithms, with room for the numbers as text on the right.
LOW, HIGH, TEXT = -4.0, 4.0, 9.0


def bound(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """``value`` and ``status`` of each term; lengths in standard deviations of the training data.

    ``moment`` is R^(1/(1+a)) with the a of the attribute ``order``. ``verdict``: green where the bound lies
    above the true distance, red where it does not (then a term is wrong), amber where the true distance is
    not known, "unknown" before anything is measured and where the theorem is silent; ``sentence`` says it.
    ``pair`` is accepted so that every view is called alike.
    """
    value = np.asarray(snapshot.arrays.get("bound_value", np.full(len(TERMS), np.nan)), dtype=np.float64)
    status = np.asarray(snapshot.arrays.get("bound_status", np.zeros(len(TERMS))), dtype=int)
    figures = np.asarray(snapshot.arrays.get("bound_figures", np.full(4, np.nan)), dtype=np.float64)
    note = getattr(snapshot, "notes", {}).get("bound", "")
    measured = "bound_value" in snapshot.arrays
    return xr.Dataset(
        {
            "value": ("term", value, {"long_name": "value of the term"}),
            "status": ("term", np.array([STATUSES[s] for s in status], dtype=str)),
        },
        coords={"term": list(TERMS), "label": ("term", list(TERMS.values()))},
        attrs=common_attrs(snapshot, "bound", "Bound of the posterior's error")
        | {
            "verdict": _verdict(figures[2]) if measured else "unknown",
            "sentence": _sentence(dict(zip(TERMS, value, strict=True)), figures, note)
            if measured
            else note or "Not measured yet.",
            "note": note,
            "measured_at": int(figures[0]) if measured else -1,
            "order": float(figures[1]),
            "horizontal_label": "standard deviations, or nats",
            "vertical_label": "",
            "horizontal_window": [LOW, TEXT],
            "vertical_window": [-0.6, len(TERMS) - 0.4],
        },
    )


def _verdict(holds: float) -> str:
    return "amber" if np.isnan(holds) else "green" if holds else "red"


def _sentence(value: dict[str, float], figures: np.ndarray, note: str) -> str:
    _, order, holds, with_seen = figures
    reached = f"bound {value['bound']:.2g}, with D by {note}, and moments of order {1 + order:g}"
    if abs(with_seen - value["bound"]) > 1e-6 * value["bound"]:
        reached += f"; {with_seen:.2g} with the steepest slope seen in place of the declared J"
    if np.isnan(holds):
        return f"The true posterior is not known: {reached}."
    truth = f"true error {value['truth']:.2g} (two exact samples: {value['floor']:.2g})"
    if holds:
        return f"Holds: {truth}, {reached}."
    return f"Broken: {truth}, {reached}. One of the terms is wrong, or estimated too low."
