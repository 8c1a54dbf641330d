"""The data's latent code beside the standard normal that it should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import SPREAD, Axis, axis_attrs, cloud, common_attrs, rows, subscript

#: Standard normal: all but one point in thousands lies inside.
WINDOW = (-4.2, 4.2)
#: Shares of a two-dimensional standard normal inside the rings.
RING_SHARES = (0.5, 0.9, 0.99)


def latent(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Codes ``latent_*``, reference draws ``reference_*``, radii of the rings that hold 50, 90, 99 %."""
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
    return tuple(Axis(i, f"z{i + 1}", "z" + subscript(i + 1), "", *WINDOW) for i in pair)
