"""A square lattice of the latent space on its way through the layers to the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, pair_axes, subscript

#: The colour scale: a cell three nats denser or thinner than in the latent space is full colour.
LOG_AREA_LIMIT = 3.0
#: Room around the latent lattice, as a share of its half width.
MARGIN = 1.4


def grid(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Corners ``horizontal``/``vertical`` (stage, row, column) and ``log_area`` (stage, cell_row,
    cell_column).

    Stage 0 is latent, the last is data in its own units, those between live in standardised units. ``window``
    (stage, axis, bound) is what each stage is drawn on. Areas are shares of that window, so that units drop
    out: ``log_area`` = log(area of the cell / its area at stage 0) in nats; for two variables, what the cell
    loses in log-density. ``pair`` is accepted so that every view is called alike: a lattice always shows the
    first two.
    """
    found = snapshot.arrays.get("grid")
    corners = np.empty((1, 0, 0, 2)) if found is None else np.asarray(found, dtype=np.float64)
    stages = len(corners)
    reach = float(np.abs(corners[0]).max()) * MARGIN if corners[0].size else 3.0 * MARGIN
    window = np.tile([[-reach, reach]], (stages, 2, 1))
    labels = [("z" + subscript(i), *[f"coordinate {i}"] * (stages - 2)) for i in (1, 2)]
    if stages > 1:
        axes = pair_axes(snapshot.x, snapshot.window, (0, 1), "x")
        window[-1] = [[a.low, a.high] for a in axes]
        labels = [(*names, a.label) for names, a in zip(labels, axes, strict=True)]
    names = ["latent", *(f"after layer {i}" for i in range(1, stages - 1)), "data"][:stages]
    return xr.Dataset(
        {
            "horizontal": (("stage", "row", "column"), corners[..., 0]),
            "vertical": (("stage", "row", "column"), corners[..., 1]),
            "log_area": (
                ("stage", "cell_row", "cell_column"),
                _log_area(corners, window),
                {"long_name": "log area change", "units": "nats"},
            ),
            "window": (("stage", "axis", "bound"), window),
        },
        coords={
            "stage_name": ("stage", np.asarray(names)),
            "horizontal_label": ("stage", np.asarray(labels[0])),
            "vertical_label": ("stage", np.asarray(labels[1])),
        },
        attrs=common_attrs(snapshot, "grid", "Latent grid")
        | {"color_limits": [-LOG_AREA_LIMIT, LOG_AREA_LIMIT]},
    )


def _log_area(corners: np.ndarray, window: np.ndarray) -> np.ndarray:
    """log of each cell's share of the window over its share at stage 0: (stage, rows - 1, columns - 1)."""
    if corners.shape[1] < 2:
        return np.empty((len(corners), 0, 0))
    ring = np.stack([corners[:, :-1, :-1], corners[:, :-1, 1:], corners[:, 1:, 1:], corners[:, 1:, :-1]])
    following = np.roll(ring, -1, axis=0)
    area = 0.5 * np.abs((ring[..., 0] * following[..., 1] - following[..., 0] * ring[..., 1]).sum(0))
    share = area / np.prod(window[..., 1] - window[..., 0], axis=1)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.log(share / share[:1]), nan=0.0, posinf=99.0, neginf=-99.0)
