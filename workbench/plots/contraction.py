"""Posterior contraction (1 − posterior variance / prior variance) against the z-score of the true value."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    LEGEND,
    NEUTRAL,
    SERIES,
    axes,
    fix_axes,
    line,
    overlay,
    register,
)

#: z-scores beyond ± this are drawn on the edge of the plot.
HIGHEST = 5.0

register(
    hv.opts.Curve("ContractionScatter", color=NEUTRAL, line_width=1, line_dash="dotted"),
    hv.opts.Points("ContractionPairs", color="contraction_color", size=4, alpha=0.45, line_alpha=0),
    hv.opts.Overlay("Contraction", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def contraction(data: xr.Dataset) -> hv.Overlay:
    """Draw a dot for each pair (x, y) and parameter, in one colour per parameter.

    Of a calibrated posterior two thirds of the dots lie between the dotted lines at ±1, and as many above 0
    as below. The further to the right, the more the observation has narrowed the prior.
    """
    labels = ("posterior contraction", "z-score of the truth")
    sides = axes("contraction", labels, ((-0.5, 1.02), (-HIGHEST, HIGHEST)))
    columns = zip(("contraction", "z_score"), sides, strict=True)
    across, up = (np.clip(data[name].values, *side.range) for name, side in columns)
    colours = np.broadcast_to([SERIES[i % len(SERIES)] for i in range(up.shape[1])], up.shape)
    dots = {
        sides[0].name: across.ravel(),
        sides[1].name: up.ravel(),
        "contraction_color": colours.ravel(),
    }
    band = line([-0.5, 1.02, np.nan, -0.5, 1.02], [1, 1, np.nan, -1, -1], sides, "ContractionScatter", "±1")
    points = hv.Points(
        dots, sides, "contraction_color", group="ContractionPairs", label="pairs", datatype=["dictionary"]
    )
    return overlay([points, band], data, "Contraction")
