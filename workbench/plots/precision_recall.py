"""Precision against recall: by the known densities in blue, by a critic in orange."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import Legend

from workbench.plots.style import (
    FIGURE,
    KNOWN,
    LEGEND,
    MODEL,
    NEUTRAL,
    dimensions,
    hold_still,
    joined,
    line,
    register,
)


def _name_what_there_is(plot: Any, element: Any) -> None:
    """Hook: the legend names only what is drawn; not every model has known densities, a critic or a λ."""
    hold_still(plot, element)
    drawn = {part.label: len(part) > 0 for part in element}
    legend = plot.state.select_one(Legend)
    for item in legend.items if legend is not None else ():
        shown = drawn.get(str(getattr(item.label, "value", item.label)), True)
        if item.visible != shown:
            item.visible = shown


register(
    hv.opts.Curve("PrecisionRecallPerfect", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Curve("PrecisionRecallKnown", color=KNOWN, line_width=2),
    hv.opts.Curve("PrecisionRecallCritic", color=MODEL, line_width=2, line_dash="dashed"),
    hv.opts.Points("PrecisionRecallMark", color=MODEL, marker="diamond", size=10),
    hv.opts.Overlay("PrecisionRecall", hooks=[_name_what_there_is], **FIGURE, **LEGEND),
)


def precision_recall(data: xr.Dataset) -> hv.Overlay:
    """A curve that stays away from the corner has lost something; the diamond is the objective's λ."""
    axes = dimensions(data, "precision_recall")
    perfect = line([0, 1, 1], [1, 1, 0], axes, "PrecisionRecallPerfect", "perfect")
    curves = [
        line(data[f"{kind}_recall"].values, data[f"{kind}_precision"].values, axes, group, label)
        for kind, group, label in (
            ("known", "PrecisionRecallKnown", "densities"),
            ("critic", "PrecisionRecallCritic", "critic"),
        )
    ]
    mark = hv.Points(
        {
            axes[0].name: np.asarray(data["mark_recall"].values, dtype=float),
            axes[1].name: np.asarray(data["mark_precision"].values, dtype=float),
        },
        axes,
        group="PrecisionRecallMark",
        label="λ",
        datatype=["dictionary"],
    )
    return joined([perfect, *curves, mark], data, "PrecisionRecall")
