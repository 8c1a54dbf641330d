"""Data beside what the model draws, for one pair of variables."""

from __future__ import annotations

from typing import Any

import xarray as xr

from workbench.snapshots.views.common import axis_attrs, cloud, common_attrs, pair_axes, rows


def samples(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """``data_*`` (over ``data_draw``) and the model's ``model_*`` (over ``model_draw``), in data units."""
    axes = pair_axes(snapshot.x, snapshot.window, pair, "x")
    return xr.Dataset(
        {
            **cloud("data", rows(snapshot, "data_x"), *axes),
            **cloud("model", rows(snapshot, "samples_x"), *axes),
        },
        attrs=common_attrs(snapshot, "samples", "Data and samples") | axis_attrs(*axes),
    )
