"""The measured velocity of a star over time, and the curves of the orbits that the posterior proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, round_up, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment

#: Fraction of the draws' curves inside the band at each place, and number of single curves.
BAND, CURVES = 0.9, 15


@VIEWS.register
class RadialVelocity(View):
    """View of measured and predicted radial velocities.

    Reads the arrays curve_at, curve, curve_reference, curve_times, curve_errors and observation.
    """

    key = "radial_velocity"
    title = "Velocity curve"
    summary = "The star's velocity: measurements, and the curves of the orbits that the posterior proposes."
    parts = ("posterior",)
    position = 40

    def applies(self, experiment: Experiment) -> bool:
        """Return True for an inverse problem that predicts a velocity curve (it has ``curve``)."""
        return bool(experiment.problem.shapes.y) and hasattr(experiment.problem, "curve")

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return velocity ``observed`` with its ``error`` at ``time``, and bands of model and reference.

        ``model_low``, ``model_middle``, ``model_high`` (place) are the 5, 50 and 95 % quantiles of the draws'
        curves at the times ``at`` (place), ``model_curve`` (model_draw, place) some of the curves;
        ``reference_*`` likewise. ``pair`` is ignored.
        """
        at, times = _line(snapshot, "curve_at"), _line(snapshot, "curve_times")
        velocity = _line(snapshot, "observation")[: len(times)]
        margin = 0.02 * (times[-1] - times[0]) if len(times) else 0.0
        window = [float(times[0] - 2 * margin), float(times[-1] + 2 * margin)] if len(times) else [0.0, 1.0]
        return xr.Dataset(
            {
                "time": ("measurement", times, {"long_name": "time", "units": "d"}),
                "observed": ("measurement", velocity, {"long_name": "radial velocity", "units": "m/s"}),
                "error": ("measurement", _line(snapshot, "curve_errors"), {"units": "m/s"}),
                "at": ("place", at, {"long_name": "time", "units": "d"}),
                **bands(snapshot, "curve", len(at)),
            },
            attrs=common_attrs(snapshot, "radial_velocity", f"Velocity curve · band of {BAND:.0%}")
            | {
                "horizontal_label": "time [d]",
                "vertical_label": "radial velocity [m/s]",
                "horizontal_window": window,
                "vertical_window": symmetric_range(velocity),
            },
        )


def symmetric_range(values: np.ndarray) -> list[float]:
    """Return the ends [-v, v] of an axis that is wide enough for all values."""
    edge = round_up(1.3 * float(np.abs(values).max())) if len(values) else 1.0
    return [-edge, edge]


def bands(
    snapshot: SnapshotLike, name: str, places: int, *, single: str = "curve", n: int = CURVES
) -> dict[str, Any]:
    """Return quantiles and ``n`` single curves of model and reference as variables of a Dataset.

    The arrays ``name`` (model) and ``name_reference``, both (draw, place), become ``model_*`` and
    ``reference_*``; ``single`` is the name of the variable of single curves.
    """
    variables: dict[str, Any] = {}
    levels = {"low": 0.5 - BAND / 2, "middle": 0.5, "high": 0.5 + BAND / 2}
    for prefix, key in (("model", name), ("reference", f"{name}_reference")):
        draws = rows(snapshot, key, None)
        draws = draws if draws.size else np.empty((0, places))
        for level, share in levels.items():
            curve = np.quantile(draws, share, axis=0) if len(draws) else np.full(places, np.nan)
            variables[f"{prefix}_{level}"] = ("place", curve, {"units": "m/s"})
        variables[f"{prefix}_{single}"] = ((f"{prefix}_draw", "place"), draws[:n], {"units": "m/s"})
    return variables


def _line(snapshot: SnapshotLike, name: str) -> np.ndarray:
    return rows(snapshot, name, None).reshape(-1)
