"""Bartlett match of modelled and measured sound field over two seabed parameters, with posterior draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import axis, axis_attrs, common_attrs, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment

#: Largest number of draws of the model, and of the reference.
POINTS = 400
_CELLS = 33


@VIEWS.register
class AmbiguitySurface(View):
    """View of the Bartlett match over two unknowns.

    Reads the arrays ambiguity, ambiguity_0, ambiguity_1, ambiguity_pair, ambiguity_posterior and
    ambiguity_reference.
    """

    key = "ambiguity_surface"
    title = "Match"
    summary = "Bartlett match of modelled and measured sound field for two unknowns, with posterior draws."
    parts = ("ocean", "posterior")
    position = 51

    def applies(self, experiment: Experiment) -> bool:
        """Return True for an inverse problem that has sound speed profiles."""
        return bool(experiment.problem.shapes.y) and hasattr(experiment.problem, "speed_profiles")

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return ``match`` (vertical, horizontal) between 0 and 1, and posterior draws of both unknowns.

        ``model_*`` are draws of the network, ``reference_*`` those of the reference posterior. ``pair`` is
        ignored: the snapshot holds the match for one pair of unknowns.
        """
        columns = rows(snapshot, "ambiguity_pair").reshape(-1)
        last = max(0, len(snapshot.x) - 1)
        first, second = (int(v) for v in columns) if columns.size == 2 else (0, min(1, last))
        axes = tuple(axis(snapshot.x, snapshot.window, column, "x") for column in (first, second))
        match = rows(snapshot, "ambiguity", None)
        at = [rows(snapshot, f"ambiguity_{i}", None).reshape(-1) for i in (0, 1)]
        if not match.size:
            at = [np.linspace(a.low, a.high, 2 * _CELLS + 1)[1::2] for a in axes]
            match = np.full((_CELLS, _CELLS), np.nan)
        draws = {
            "model": rows(snapshot, "ambiguity_posterior", POINTS),
            "reference": rows(snapshot, "ambiguity_reference", POINTS),
        }
        return xr.Dataset(
            {
                "match": (("vertical", "horizontal"), match, {"long_name": "Bartlett match"}),
                **{
                    f"{name}_{side}": (f"{name}_draw", table[:, i] if table.size else np.empty(0))
                    for name, table in draws.items()
                    for i, side in enumerate(("horizontal", "vertical"))
                },
            },
            coords={"horizontal": at[0], "vertical": at[1]},
            attrs=common_attrs(
                snapshot, "ambiguity_surface", "Match with what was heard, others at their median"
            )
            | axis_attrs(*axes)
            | {"color_limits": [0.0, 1.0]},
        )
