"""Precision against recall of a generative model: by the known densities in blue, by a critic in orange."""

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
    hide_empty_entries,
    line,
    overlay,
    register,
)

register(
    hv.opts.Curve("PrecisionRecallPerfect", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Curve("PrecisionRecallKnown", color=REFERENCE, line_width=2),
    hv.opts.Curve("PrecisionRecallCritic", color=MODEL, line_width=2, line_dash="dashed"),
    hv.opts.Points("PrecisionRecallMark", color=MODEL, marker="diamond", size=10),
    hv.opts.Overlay("PrecisionRecall", hooks=[fix_axes, hide_empty_entries], **FIGURE, **LEGEND),
)


def precision_recall(data: xr.Dataset) -> hv.Overlay:
    """Draw the curves (a perfect model reaches the corner (1, 1)), and a diamond at the objective's λ."""
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
    return overlay([perfect, *curves, mark], data, "PrecisionRecall")
