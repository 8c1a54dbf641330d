"""Expected coverage of the posterior's highest-density regions against their credibility, with a band."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import FIGURE, LEGEND, MODEL, NEUTRAL, axes, fix_axes, line, overlay, register

register(
    hv.opts.Polygons("CoverageBand", color=NEUTRAL, fill_alpha=0.22, line_alpha=0, show_legend=False),
    hv.opts.Curve("CoverageIdeal", color=NEUTRAL, line_width=1, line_dash="dotted"),
    hv.opts.Curve("CoverageModel", color=MODEL, line_width=2),
    hv.opts.Overlay("Coverage", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def expected_coverage(data: xr.Dataset) -> hv.Overlay:
    """Draw coverage against credibility: below the diagonal is overconfident, above it conservative."""
    return credibility_curve(data, "expected_coverage", "mass of the region of highest density")


def credibility_curve(data: xr.Dataset, prefix: str, label: str) -> hv.Overlay:
    """Draw ``coverage`` (credibility,) over the band from ``low`` to ``high``, with the diagonal as ideal."""
    sides = axes(prefix, (label, "truths inside"), ((0.0, 1.0), (0.0, 1.0)))
    level = data["credibility"].values
    outline = {
        sides[0].name: np.concatenate([level, level[::-1]]),
        sides[1].name: np.clip(np.concatenate([data["low"].values, data["high"].values[::-1]]), 0, 1),
    }
    parts = [
        hv.Polygons([outline], sides, group="CoverageBand"),
        line([0, 1], [0, 1], sides, "CoverageIdeal", "exact"),
        line(np.r_[0, level, 1], np.r_[0, data["coverage"].values, 1], sides, "CoverageModel", "model"),
    ]
    return overlay(parts, data, "Coverage")
