"""Distance of each latent component from N(0, 1), and its correlation with the observation."""

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
    axes,
    fix_axes,
    line,
    overlay,
    register,
)

register(
    hv.opts.Points("LatentNormalityLaw", color=MODEL, size=7, line_alpha=0),
    hv.opts.Points("LatentNormalityObservation", color=REFERENCE, size=8, marker="x", line_width=2),
    hv.opts.Curve("LatentNormalitySmall", color=NEUTRAL, line_width=1, line_dash="dotted"),
    hv.opts.Overlay("LatentNormality", hooks=[fix_axes], **FIGURE, **LEGEND),
)
#: Height of the dotted line: the smaller of the check's limits of a small distance and correlation.
SMALL = 0.05


def latent_normality(data: xr.Dataset) -> hv.Overlay:
    """Draw per latent component a dot and a cross.

    The dot is its Kolmogorov-Smirnov distance from N(0, 1), the cross its largest absolute correlation with a
    component of y.
    """
    distance = np.nan_to_num(data["ks_distance"].values, nan=1.0)
    table = np.abs(data["correlation_with_y"].values)
    correlation = np.nan_to_num(table).max(1) if table.shape[1] else np.full(len(distance), np.nan)
    number = np.arange(1, len(distance) + 1, dtype=float)
    sides = axes(
        "latent_normality",
        ("latent component", "distance, correlation"),
        ((0.5, len(distance) + 0.5), (-0.02, 1.02)),
    )

    def dots(values: np.ndarray, group: str, label: str) -> hv.Points:
        columns = {sides[0].name: number, sides[1].name: values}
        return hv.Points(columns, sides, group=group, label=label, datatype=["dictionary"])

    limit = line([0.5, len(distance) + 0.5], [SMALL, SMALL], sides, "LatentNormalitySmall", "little")
    parts = [
        dots(distance, "LatentNormalityLaw", "distance to N(0, 1)"),
        dots(correlation, "LatentNormalityObservation", "correlation with y"),
        limit,
    ]
    return overlay(parts, data, "LatentNormality")
