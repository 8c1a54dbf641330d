"""The velocity of a star with all orbits folded at one period, that of most draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, rows
from workbench.snapshots.radial_velocity import bands, symmetric_range

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment


@VIEWS.register
class PhaseFolded(View):
    """View of velocity curves folded at one period; reads the arrays fold_* and curve_errors."""

    key = "phase_folded"
    title = "Folded curve"
    summary = "Measurements and predicted curves over the orbital phase, at the period of most draws."
    parts = ("posterior",)
    position = 41

    def applies(self, experiment: Experiment) -> bool:
        """Return True for an inverse problem that predicts a velocity curve (it has ``curve``)."""
        return bool(experiment.problem.shapes.y) and hasattr(experiment.problem, "curve")

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return velocity ``observed`` minus the systemic one, with its ``error``, over ``phase``.

        Phase is in turns, 0 at the middle of the measured nights; ``period`` (d) is the period of folding.
        Bands and curves, at the phases ``at``, have the names that `RadialVelocity.dataset` describes, and
        are made from those draws whose orbit gains or loses less than half a turn against ``period`` over all
        nights: the fractions ``model_share`` and ``reference_share`` of the draws. ``pair`` is ignored.
        """
        at, phases = (rows(snapshot, name, None).reshape(-1) for name in ("fold_at", "fold_phases"))
        velocity = rows(snapshot, "fold_observed", None).reshape(-1)
        period, share, reference_share = (
            _single(snapshot, f"fold_{name}") for name in ("period", "share", "reference_share")
        )
        title = "Folded curve"
        if np.isfinite(period):
            title = f"Folded curve at {period:.2f} d, the period of {share:.0%}"
            title += f" (reference: {reference_share:.0%})" if np.isfinite(reference_share) else ""
        return xr.Dataset(
            {
                "phase": ("measurement", phases, {"long_name": "phase", "units": "turn"}),
                "observed": ("measurement", velocity, {"long_name": "radial velocity", "units": "m/s"}),
                "error": ("measurement", rows(snapshot, "curve_errors", None).reshape(-1), {"units": "m/s"}),
                "at": ("place", at, {"long_name": "phase", "units": "turn"}),
                **bands(snapshot, "fold", len(at)),
                "period": ((), period, {"units": "d"}),
                "model_share": ((), share),
                "reference_share": ((), reference_share),
            },
            attrs=common_attrs(snapshot, "phase_folded", title)
            | {
                "horizontal_label": "phase [turns]",
                "vertical_label": "velocity less the systemic one [m/s]",
                "horizontal_window": [-0.5, 0.5],
                "vertical_window": symmetric_range(velocity),
            },
        )


def _single(snapshot: SnapshotLike, name: str) -> float:
    values = rows(snapshot, name, None).reshape(-1) if name in snapshot.arrays else np.empty(0)
    return float(values[0]) if len(values) else np.nan
