"""Precision against recall: by the known densities in blue, by a critic in orange."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

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
    name_what_is_drawn,
    register,
)

register(
    hv.opts.Curve("PrecisionRecallPerfect", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Curve("PrecisionRecallKnown", color=KNOWN, line_width=2),
    hv.opts.Curve("PrecisionRecallCritic", color=MODEL, line_width=2, line_dash="dashed"),
    hv.opts.Points("PrecisionRecallMark", color=MODEL, marker="diamond", size=10),
    hv.opts.Overlay("PrecisionRecall", hooks=[hold_still, name_what_is_drawn], **FIGURE, **LEGEND),
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
