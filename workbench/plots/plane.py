"""The plane of observations: all of the data, the chosen observation, and the posterior sent through the
simulator again. Tap it to choose another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.layers import OTHER, Columns, line_columns, points
from workbench.plots.style import FIGURE, KNOWN, LEGEND, MODEL, NEUTRAL, axes, hold_still, register

register(
    hv.opts.Points("PlaneData", color=NEUTRAL, size=3, alpha=0.35, line_alpha=0),
    hv.opts.Points("PlaneOther", color=OTHER, size=5, alpha=0.6, marker="cross", line_width=1),
    hv.opts.Points("PlaneModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Points("PlaneChosen", color=KNOWN, size=13, marker="circle_cross", fill_alpha=0.0, line_width=2),
    hv.opts.Overlay("Plane", hooks=[hold_still], **FIGURE, **LEGEND),
)
#: Height at which the points of a single component lie.
_MIDDLE = 0.5


def sides(laws: Mapping[str, Any]) -> list[hv.Dimension]:
    """Both components of y; for one component the second axis only spreads points for the eye."""
    labels, windows = list(laws["labels"]), list(laws["windows"])
    if len(labels) == 1:
        labels, windows = [*labels, "spread for the eye"], [*windows, (0.0, 1.0)]
    return axes("plane", labels[:2], windows[:2])


def plane(laws: Mapping[str, Any]) -> hv.Overlay:
    """From ``labels`` and ``windows`` of y, ``data`` (n, M), ``observation`` (M,), and the resimulated
    draws (n, M) of ``model`` and ``other``, None where there are none."""
    both, made = sides(laws), columns(laws)
    elements = [
        points(made, "data", both, "PlaneData"),
        points(made, "second model", both, "PlaneOther"),
        points(made, "resimulated", both, "PlaneModel"),
        points(made, "observed", both, "PlaneChosen"),
    ]
    return hv.Overlay(elements, group="Plane", label="")


def columns(laws: Mapping[str, Any]) -> Columns:
    """The numbers of the plot by the labels of its elements."""
    both = sides(laws)
    clouds = {
        "data": laws.get("data"),
        "second model": laws.get("other"),
        "resimulated": laws.get("model"),
        "observed": np.atleast_2d(np.asarray(laws["observation"], dtype=np.float64)),
    }
    return {name: line_columns(both, _planar(cloud)) for name, cloud in clouds.items()}


def frame(laws: Mapping[str, Any]) -> tuple:
    """What must stay the same for the figure to be kept."""
    return tuple(laws["labels"]), tuple(np.ravel(laws["windows"])), len(laws["data"])


def _planar(cloud: Any) -> np.ndarray:
    if cloud is None or not len(cloud):
        return np.empty((0, 2))
    cloud = np.asarray(cloud, dtype=np.float64)
    if cloud.shape[1] > 1:
        return cloud[:, :2]
    height = np.full(1, _MIDDLE) if len(cloud) == 1 else 0.1 + 0.8 * (np.arange(len(cloud)) * 0.618034 % 1)
    return np.column_stack([cloud[:, 0], height])
