"""Plot of a robot arm in the poses that the posterior proposes.

A page may attach `hv.streams.Tap` to let the user move the target of the hand.
"""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    dimensions,
    fix_axes,
    overlay,
    register,
)

register(
    hv.opts.Curve("ArmRail", color=NEUTRAL, line_width=3),
    hv.opts.Segments("ArmReference", color=REFERENCE, line_width=1, alpha=0.6, line_dash="dotted"),
    hv.opts.Segments("ArmModel", color=MODEL, line_width=1.5, alpha=0.35),
    hv.opts.Points(
        "ArmTarget", color=REFERENCE, size=15, marker="circle_cross", fill_alpha=0.0, line_width=3
    ),
    hv.opts.Overlay("Arm", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def arm(data: xr.Dataset) -> hv.Overlay:
    """Draw the arms of the model (transparent) and of the reference (dotted), their rail, and the target."""
    axes = dimensions(data, "arm")
    return overlay(
        [
            _rail(data, axes),
            _arms(data, "reference", axes, "ArmReference", "reference"),
            _arms(data, "model", axes, "ArmModel", "model"),
            _target(data, axes),
        ],
        data,
        "Arm",
    )


def _rail(data: xr.Dataset, axes: list[hv.Dimension]) -> hv.Curve:
    return hv.Curve(
        {axes[0].name: np.zeros(2), axes[1].name: np.asarray(axes[1].range)},
        axes[:1],
        axes[1:],
        group="ArmRail",
        label="rail",
        datatype=["dictionary"],
    )


def _arms(data: xr.Dataset, name: str, axes: list[hv.Dimension], group: str, label: str) -> hv.Segments:
    horizontal, vertical = data[f"{name}_horizontal"].values, data[f"{name}_vertical"].values
    ends = [hv.Dimension(f"{axis.name}_end") for axis in axes]
    columns = {
        axes[0].name: horizontal[:, :-1],
        axes[1].name: vertical[:, :-1],
        ends[0].name: horizontal[:, 1:],
        ends[1].name: vertical[:, 1:],
    }
    return hv.Segments(
        {k: v.ravel() for k, v in columns.items()},
        [*axes, *ends],
        group=group,
        label=label,
        datatype=["dictionary"],
    )


def _target(data: xr.Dataset, axes: list[hv.Dimension]) -> hv.Points:
    place = data["target"].values
    return hv.Points(
        {axes[0].name: place[:1], axes[1].name: place[1:]},
        axes,
        group="ArmTarget",
        label="target",
        datatype=["dictionary"],
    )
