"""Two components of y as a scatter plot: data, the chosen observation, and simulations from its posterior.

A page may attach `hv.streams.Tap` to let the user choose another observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.layers import OTHER, Columns, line_columns, points
from workbench.plots.style import FIGURE, LEGEND, MODEL, NEUTRAL, REFERENCE, axes, fix_axes, register

register(
    hv.opts.Points("PlaneData", color=NEUTRAL, size=3, alpha=0.35, line_alpha=0),
    hv.opts.Points("PlaneOther", color=OTHER, size=5, alpha=0.6, marker="cross", line_width=1),
    hv.opts.Points("PlaneModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Points(
        "PlaneChosen", color=REFERENCE, size=13, marker="circle_cross", fill_alpha=0.0, line_width=2
    ),
    hv.opts.Overlay("Plane", hooks=[fix_axes], **FIGURE, **LEGEND),
)
#: Height of the observation where y has a single component.
_MIDDLE = 0.5


def sides(arrays: Mapping[str, Any]) -> list[hv.Dimension]:
    """Return the axes of two components of y; if y has only one, the vertical axis spreads the points."""
    labels, windows = list(arrays["labels"]), list(arrays["windows"])
    if len(labels) == 1:
        labels, windows = [*labels, "spread for the eye"], [*windows, (0.0, 1.0)]
    return axes("plane", labels[:2], windows[:2])


def plane(arrays: Mapping[str, Any]) -> hv.Overlay:
    """Draw observations: ``data`` (n, M), the chosen ``observation`` (M,), and simulations (n, M).

    ``model`` holds simulations from the posterior, ``other`` those of a second model; both may be None.
    ``labels`` and ``windows`` are labels and plotted ranges of the components of y.
    """
    both, numbers = sides(arrays), columns(arrays)
    elements = [
        points(numbers, "data", both, "PlaneData"),
        points(numbers, "second model", both, "PlaneOther"),
        points(numbers, "resimulated", both, "PlaneModel"),
        points(numbers, "observed", both, "PlaneChosen"),
    ]
    return hv.Overlay(elements, group="Plane", label="")


def columns(arrays: Mapping[str, Any]) -> Columns:
    """Return the plotted values, ``{element label: {dimension: values}}``, to update a figure in place."""
    both = sides(arrays)
    clouds = {
        "data": arrays.get("data"),
        "second model": arrays.get("other"),
        "resimulated": arrays.get("model"),
        "observed": np.atleast_2d(np.asarray(arrays["observation"], dtype=np.float64)),
    }
    return {name: line_columns(both, _planar(cloud)) for name, cloud in clouds.items()}


def frame(arrays: Mapping[str, Any]) -> tuple:
    """Return labels, axis ranges and number of data: a figure is rebuilt, not updated, when these change."""
    return tuple(arrays["labels"]), tuple(np.ravel(arrays["windows"])), len(arrays["data"])


def _planar(cloud: Any) -> np.ndarray:
    if cloud is None or not len(cloud):
        return np.empty((0, 2))
    cloud = np.asarray(cloud, dtype=np.float64)
    if cloud.shape[1] > 1:
        return cloud[:, :2]
    height = np.full(1, _MIDDLE) if len(cloud) == 1 else 0.1 + 0.8 * (np.arange(len(cloud)) * 0.618034 % 1)
    return np.column_stack([cloud[:, 0], height])
