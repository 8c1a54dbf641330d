"""The model's density on the window, with the regions that hold half and nine tenths of the target."""

from __future__ import annotations

from typing import Any

import contourpy
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from workbench.snapshots.views.common import Axis, axis, axis_attrs, common_attrs, pair_axes, round_up, rows

#: Cells along each side when the density is a histogram, and the width of its blur in cells.
CELLS, BLUR = 96, 1.6
#: The contours enclose these shares of the target.
SHARES = (0.5, 0.9)


def density(snapshot: Any, *, pair: tuple[int, int] = (0, 1), of: str = "auto") -> xr.Dataset:
    """Density of one pair of variables, in 1/(unit · unit).

    ``model`` (vertical, horizontal) is the model's own density where it has one (two variables); otherwise
    a smoothed histogram of its posterior draws, or of its samples. ``contour_*`` are lines around the 50 %
    and 90 % highest-density regions of the target (its density, the reference posterior, or the data),
    broken by NaN.

    Parameters
    ----------
    of : "auto", or "samples" or "posterior" to insist on a histogram of these.
    """
    axes = pair_axes(snapshot.x, snapshot.window, pair, "x")
    source, model, target = _known(snapshot, axes) if of == "auto" else (None, None, None)
    if source is None:
        source, model, target = _counted(snapshot, axes, of)
    first, second = _centres(axes[0], model.shape[1]), _centres(axes[1], model.shape[0])
    if source in ("density", "conditional"):
        first, second = (np.asarray(snapshot.arrays[f"density_x{a.column}"], dtype=np.float64) for a in axes)
    lines = _contours(first, second, target)
    scale = target if target is not None and target.max() > 0 else model
    limit = round_up(1.1 * float(scale.max())) if scale.size and scale.max() > 0 else 1.0
    words = {
        "density": "Density",
        "conditional": "Posterior density",
        "posterior": "Density of posterior draws",
        "samples": "Density of samples",
    }
    return xr.Dataset(
        {
            "model": (("vertical", "horizontal"), model, {"long_name": "density of the model"}),
            "contour_horizontal": ("vertex", lines[:, 0]),
            "contour_vertical": ("vertex", lines[:, 1]),
        },
        coords={
            "horizontal": ("horizontal", first, {"long_name": axes[0].label, "units": axes[0].unit or "1"}),
            "vertical": ("vertical", second, {"long_name": axes[1].label, "units": axes[1].unit or "1"}),
        },
        attrs=common_attrs(snapshot, "density", words[source])
        | axis_attrs(*axes)
        | {"source": source, "color_limits": [0.0, limit], "contour_shares": list(SHARES)},
    )


def _known(snapshot: Any, axes: tuple[Axis, Axis]):
    """The model's own density (vertical, horizontal) and its target, where the snapshot has them."""
    found = snapshot.arrays.get("density")
    if found is None or {a.column for a in axes} != {0, 1}:
        return None, None, None
    model = np.nan_to_num(np.asarray(found, dtype=np.float64))
    target = snapshot.arrays.get("density_target")
    first, second = (axis(snapshot.x, snapshot.window, i, "x") for i in (0, 1))
    if target is not None:
        target = np.nan_to_num(np.asarray(target, dtype=np.float64))
    elif len(known := rows(snapshot, "reference_x" if snapshot.y else "data_x", None)):
        target = histogram(known, first, second, cells=len(model))
    if axes[0].column == 1:
        model, target = model.T, None if target is None else target.T
    return ("conditional" if snapshot.y else "density"), model, target


def _counted(snapshot: Any, axes: tuple[Axis, Axis], of: str):
    if of == "posterior" or (of == "auto" and "posterior_x" in snapshot.arrays):
        source, model, target = "posterior", "posterior_x", "reference_x"
    else:
        source, model, target = "samples", "samples_x", "data_x"
    shown, known = rows(snapshot, model, None), rows(snapshot, target, None)
    return source, histogram(shown, *axes), histogram(known, *axes) if len(known) else None


def histogram(points: np.ndarray, horizontal: Axis, vertical: Axis, cells: int = CELLS) -> np.ndarray:
    """Smoothed histogram (vertical, horizontal) as a density: milliseconds, unlike a kernel estimate."""
    if vertical.column is None or not len(points):
        return np.zeros((cells, cells))
    ranges = [[vertical.low, vertical.high], [horizontal.low, horizontal.high]]
    counts, _, _ = np.histogram2d(
        points[:, vertical.column], points[:, horizontal.column], bins=cells, range=ranges
    )
    area = np.prod([(high - low) / cells for low, high in ranges])
    return gaussian_filter(counts, BLUR) / (len(points) * area)


def _centres(axis: Axis, cells: int) -> np.ndarray:
    return axis.low + (np.arange(cells) + 0.5) * (axis.high - axis.low) / cells


def _contours(first: np.ndarray, second: np.ndarray, target: np.ndarray | None) -> np.ndarray:
    """Lines around the highest-density regions, one below the other with a NaN row after each: (n, 2)."""
    if target is None or not target.max() > 0:
        return np.empty((0, 2))
    falling = np.sort(target, axis=None)[::-1]
    mass = np.cumsum(falling) / falling.sum()
    generator = contourpy.contour_generator(first, second, target)
    gap = np.full((1, 2), np.nan)
    pieces = [
        piece
        for share in SHARES
        for line in generator.lines(falling[min(np.searchsorted(mass, share), falling.size - 1)])
        for piece in (line, gap)
    ]
    return np.concatenate(pieces) if pieces else np.empty((0, 2))
