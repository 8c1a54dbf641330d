"""Calibration plot: empirical distribution of ranks minus the uniform one, in a simultaneous band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.losses import swatches
from workbench.plots.style import FIGURE, LEGEND, NEUTRAL, SERIES, axes, fix_axes, overlay, register

#: Differences beyond ± this are drawn on the edge of the plot.
HIGHEST = 0.3


def _name_lines(plot: Any, element: Any) -> None:
    """HoloViews hook: name the quantities of the lines in the legend."""
    fix_axes(plot, element)
    state, lines = plot.handles["workbench"], element.get(1)
    names = [str(n) for n in lines.dimension_values(2, expanded=False)]
    if "items" not in state:
        state["items"] = swatches(plot.state)
    if state.get("names") == names:
        return
    state["names"] = names
    for i, item in enumerate(state["items"]):
        visible = i < len(names)
        item.update(label={"value": names[i] if visible else f"unused {i}"}, visible=visible)


register(
    hv.opts.Polygons("RankBand", color=NEUTRAL, fill_alpha=0.22, line_alpha=0, show_legend=False),
    hv.opts.Contours("RankLines", color="rank_color", line_width=1.8, show_legend=False),
    hv.opts.Overlay("Ranks", hooks=[_name_lines], **FIGURE, **LEGEND),
)


def calibration(data: xr.Dataset) -> hv.Overlay:
    """Draw a line per parameter: distribution function of the ranks minus the uniform one.

    Under the exact posterior all lines lie in the grey band. An S-shaped line means that the posterior is too
    narrow or too wide, a hump that it is shifted.
    """
    return rank_lines(data, "calibration", "quantity", "rank of the truth among the draws")


def rank_lines(data: xr.Dataset, prefix: str, dimension: str, label: str) -> hv.Overlay:
    """Draw empirical distribution functions of ranks, minus the uniform one, over their simultaneous band.

    ``data`` has ``ecdf_difference`` (dimension, place), one line per entry of ``dimension``, and ``band_low``
    and ``band_high`` (place,); the coordinate ``place`` is the rank, between 0 and 1. ``label`` is the
    horizontal axis label, and ``prefix`` makes the names of the axes unique.
    """
    sides = axes(prefix, (label, "share below − expected"), ((0.0, 1.0), (-HIGHEST, HIGHEST)))
    place = data["place"].values
    # before the first measurement the band is a line: a polygon without points cannot be drawn
    low, high = (np.nan_to_num(data[f"band_{end}"].values) for end in ("low", "high"))
    outline = {
        sides[0].name: np.concatenate([place, place[::-1]]),
        sides[1].name: np.clip(np.concatenate([low, high[::-1]]), -HIGHEST, HIGHEST),
    }
    names = [str(n) for n in data[dimension].values]
    lines = _lines(place, data["ecdf_difference"].values, names, sides, prefix)
    return overlay([hv.Polygons([outline], sides, group="RankBand"), lines], data, "Ranks")


def _lines(
    place: np.ndarray, difference: np.ndarray, names: Sequence[str], sides: list, prefix: str
) -> hv.Contours:
    paths = [
        {
            sides[0].name: np.concatenate([[0.0], place, [1.0]]),
            sides[1].name: np.concatenate([[0.0], np.clip(row, -HIGHEST, HIGHEST), [0.0]]),
            f"{prefix}_name": name.replace("_", " "),
            "rank_color": SERIES[i % len(SERIES)],
        }
        for i, (name, row) in enumerate(zip(names, difference, strict=True))
    ]
    return hv.Contours(paths, sides, [f"{prefix}_name", "rank_color"], group="RankLines")
