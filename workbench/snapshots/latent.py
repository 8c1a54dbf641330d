"""Latents of held-out data beside draws of the standard normal distribution that they should follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import to_numpy
from workbench.snapshots.labelling import SPREAD, Axis, axis_attrs, cloud, common_attrs, rows, subscript

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Run

#: Plotted range of both axes, in standard deviations of the normal distribution.
WINDOW = (-4.2, 4.2)
#: Probability of a two-dimensional standard normal distribution inside the rings.
RING_SHARES = (0.5, 0.9, 0.99)


@VIEWS.register
class Latent(View):
    """View of the latents of held-out data. Arrays latent_z and latent_reference (N, latent features)."""

    key = "latent"
    title = "Latent"
    summary = "Latents of the data; they should fill the rings like a standard normal."
    parts = ("latent",)
    needs_model = frozenset({Capability.LATENT})
    position = 60
    takes_pair = True

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute the latents of the held-out data; the reference is the run's fixed normal draws."""
        if Capability.LATENT not in run.model.capabilities:
            return {}
        z, _ = run.model.latent(run.evaluation_points.x, run.evaluation_points.y)
        return {"latent_z": to_numpy(z), "latent_reference": to_numpy(run.evaluation_points.z)}

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return latents ``latent_*``, normal draws ``reference_*`` and radii of the 50, 90, 99 % rings."""
        code = rows(snapshot, "latent_z")
        axes = _axes(pair, single=code.shape[1] == 1 or len(snapshot.x) == 1)
        radii = np.sqrt(-2.0 * np.log1p(-np.asarray(RING_SHARES)))
        return xr.Dataset(
            {
                **cloud("latent", code, *axes),
                **cloud("reference", rows(snapshot, "latent_reference"), *axes),
                "ring_radius": ("ring", radii, {"long_name": "radius that holds the share"}),
            },
            coords={"ring": ("ring", np.asarray(RING_SHARES), {"long_name": "share of the reference"})},
            attrs=common_attrs(snapshot, "latent", "Latent code of the data") | axis_attrs(*axes),
        )


def _axes(pair: tuple[int, int], *, single: bool) -> tuple[Axis, Axis]:
    if single:
        return Axis(0, "z1", "z" + subscript(1), "", *WINDOW), SPREAD
    first, second = (Axis(i, f"z{i + 1}", "z" + subscript(i + 1), "", *WINDOW) for i in pair)
    return first, second
