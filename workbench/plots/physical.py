"""Posterior draws in physical space, such as poses or trajectories, as lines, with a band for functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.layers import OTHER, Columns, curve, line_columns, points, with_gaps
from workbench.plots.style import FIGURE, LEGEND, MODEL, NEUTRAL, REFERENCE, dimensions, fix_axes, register

register(
    hv.opts.Curve("PhysicalReference", color=REFERENCE, line_width=1, alpha=0.55, line_dash="dotted"),
    hv.opts.Curve("PhysicalOther", color=OTHER, line_width=1, alpha=0.35),
    hv.opts.Curve("PhysicalModel", color=MODEL, line_width=1.3, alpha=0.4),
    hv.opts.Curve("PhysicalBand", color=MODEL, line_width=2.5),
    hv.opts.Curve("PhysicalTruth", color=NEUTRAL, line_width=2, line_dash="dashed"),
    hv.opts.Points(
        "PhysicalMark", color=REFERENCE, size=15, marker="circle_cross", fill_alpha=0.0, line_width=3
    ),
    hv.opts.Overlay("Physical", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def physical(datasets: Mapping[str, Any]) -> hv.Overlay:
    """Draw one line per posterior draw in physical space, such as a pose, a trajectory or a curve over time.

    ``model`` and optionally ``other``, a second model, are Datasets of
    `workbench.diagnostics.posterior_explorer.physical` with ``line``, fixed points ``mark``, and a quantile
    ``band`` where all lines are functions of the same variable. ``reference`` and ``truth`` are arrays of
    lines (draw, point, side), side 0 horizontal.
    """
    axes, numbers = dimensions(datasets["model"], "physical"), columns(datasets)
    elements = [
        curve(numbers, "reference", axes, "PhysicalReference"),
        curve(numbers, "second model", axes, "PhysicalOther"),
        curve(numbers, "model", axes, "PhysicalModel"),
        curve(numbers, "5, 50, 95 %", axes, "PhysicalBand"),
        curve(numbers, "truth", axes, "PhysicalTruth"),
        points(numbers, "observed", axes, "PhysicalMark"),
    ]
    return hv.Overlay(elements, group="Physical", label="")


def columns(datasets: Mapping[str, Any]) -> Columns:
    """Return the plotted values, ``{element label: {dimension: values}}``, to update a figure in place."""
    model, other = datasets["model"], datasets.get("other")
    axes = dimensions(model, "physical")
    lines = {
        "reference": datasets.get("reference"),
        "second model": None if other is None else other["line"].values,
        "model": model["line"].values,
        "truth": datasets.get("truth"),
    }
    numbers = {
        name: line_columns(axes, np.empty((0, 2)) if group is None else with_gaps(group))
        for name, group in lines.items()
    }
    numbers["5, 50, 95 %"] = line_columns(axes, _band(model))
    numbers["observed"] = line_columns(axes, model["mark"].values)
    return numbers


def frame(datasets: Mapping[str, Any]) -> tuple:
    """Return the labels and axis ranges: a figure must be rebuilt, not updated, when these change."""
    attrs = datasets["model"].attrs
    return tuple(str(attrs[f"{s}_{w}"]) for s in ("horizontal", "vertical") for w in ("label", "window"))


def _band(model: Any) -> np.ndarray:
    if "band" not in model:
        return np.empty((0, 2))
    place = model["band_place"].values
    return with_gaps([np.column_stack([place, model["band"].values[k]]) for k in (0, 2, -1)])
