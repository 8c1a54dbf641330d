"""The posterior in the world of its problem: each line is one draw; a band where lines are functions of
one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.layers import OTHER, Columns, broken, curve, line_columns, points
from workbench.plots.style import FIGURE, KNOWN, LEGEND, MODEL, NEUTRAL, dimensions, hold_still, register

register(
    hv.opts.Curve("PhysicalReference", color=KNOWN, line_width=1, alpha=0.55, line_dash="dotted"),
    hv.opts.Curve("PhysicalOther", color=OTHER, line_width=1, alpha=0.35),
    hv.opts.Curve("PhysicalModel", color=MODEL, line_width=1.3, alpha=0.4),
    hv.opts.Curve("PhysicalBand", color=MODEL, line_width=2.5),
    hv.opts.Curve("PhysicalTruth", color=NEUTRAL, line_width=2, line_dash="dashed"),
    hv.opts.Points("PhysicalMark", color=KNOWN, size=15, marker="circle_cross", fill_alpha=0.0, line_width=3),
    hv.opts.Overlay("Physical", hooks=[hold_still], **FIGURE, **LEGEND),
)


def physical(laws: Mapping[str, Any]) -> hv.Overlay:
    """From ``model`` (a Dataset of `workbench.diagnostics.posterior_explorer`), ``other`` likewise, and
    ``reference``: lines (draw, point, side)."""
    axes, made = dimensions(laws["model"], "physical"), columns(laws)
    elements = [
        curve(made, "reference", axes, "PhysicalReference"),
        curve(made, "second model", axes, "PhysicalOther"),
        curve(made, "model", axes, "PhysicalModel"),
        curve(made, "5, 50, 95 %", axes, "PhysicalBand"),
        curve(made, "truth", axes, "PhysicalTruth"),
        points(made, "observed", axes, "PhysicalMark"),
    ]
    return hv.Overlay(elements, group="Physical", label="")


def columns(laws: Mapping[str, Any]) -> Columns:
    """The numbers of the plot by the labels of its elements."""
    model, other = laws["model"], laws.get("other")
    axes = dimensions(model, "physical")
    found = {
        "reference": laws.get("reference"),
        "second model": None if other is None else other["line"].values,
        "model": model["line"].values,
        "truth": laws.get("truth"),
    }
    made = {
        name: line_columns(axes, np.empty((0, 2)) if lines is None else broken(lines))
        for name, lines in found.items()
    }
    made["5, 50, 95 %"] = line_columns(axes, _band(model))
    made["observed"] = line_columns(axes, model["mark"].values)
    return made


def frame(laws: Mapping[str, Any]) -> tuple:
    """What must stay the same for the figure to be kept."""
    attrs = laws["model"].attrs
    return tuple(str(attrs[f"{s}_{w}"]) for s in ("horizontal", "vertical") for w in ("label", "window"))


def _band(model: Any) -> np.ndarray:
    if "band" not in model:
        return np.empty((0, 2))
    place = model["band_place"].values
    return broken([np.column_stack([place, model["band"].values[k]]) for k in (0, 2, -1)])
