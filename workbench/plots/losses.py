"""Terms of the loss over the iterations."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import Legend, LegendItem

from workbench.plots.style import FIGURE, FONT_SIZES, LEGEND, SERIES, dimensions, fix_axes, overlay, register

#: Characters in one line of the legend; a longer legend is vertical.
LINE = 60


def _name_lines(plot: Any, element: Any) -> None:
    """HoloViews hook: name the terms in the legend; objectives differ in their terms."""
    fix_axes(plot, element)
    names = element.get(0).dimension_values("losses_part", expanded=False)
    state = plot.handles["workbench"]
    if state.get("parts") == list(names):
        return
    state["parts"] = list(names)
    if "items" not in state:
        state["items"] = swatches(plot.state)
    for i, item in enumerate(state["items"]):
        visible = i < len(names)
        item.update(label={"value": str(names[i]) if visible else f"unused {i}"}, visible=visible)
    long = sum(len(str(name)) for name in names) > LINE
    plot.state.select_one(Legend).orientation = "vertical" if long else "horizontal"


def swatches(figure: Any) -> list[LegendItem]:
    """Add to a Bokeh figure a legend with one hidden entry per colour of `SERIES`; return the entries."""
    lines = [figure.line([np.nan], [np.nan], line_color=colour, line_width=2.5) for colour in SERIES]
    items = [
        LegendItem(label={"value": f"unused {i}"}, renderers=[line], visible=False)
        for i, line in enumerate(lines)
    ]
    figure.add_layout(
        Legend(items=items, label_text_font_size=FONT_SIZES["legend"], **LEGEND["legend_opts"]), "above"
    )
    return items


register(
    hv.opts.Contours("LossesTrain", color="losses_color", line_width=1.2, alpha=0.75, show_legend=False),
    hv.opts.Contours(
        "LossesValidation", color="losses_color", line_width=2, line_dash="6 3", show_legend=False
    ),
    hv.opts.Overlay("Losses", hooks=[_name_lines], **FIGURE, **LEGEND),
)


def losses(data: xr.Dataset) -> hv.Overlay:
    """Draw one colour per term of the loss, the total first: training solid, validation dashed."""
    axes = dimensions(data, "losses")
    return overlay(
        [_lines(data, "train", axes, "LossesTrain"), _lines(data, "validation", axes, "LossesValidation")],
        data,
        "Losses",
    )


def _lines(data: xr.Dataset, kind: str, axes: list[hv.Dimension], group: str) -> hv.Contours:
    names = [str(n) for n in data["part"].values]
    iteration, value = data[f"{kind}_iteration"].values, data[kind].values
    paths = []
    for i, name in enumerate(names):
        finite = np.isfinite(iteration[i])
        # a path without a point would leave its colour without a range: use one outside the figure
        path = [iteration[i][finite], value[i][finite]] if finite.any() else [np.full(2, np.nan)] * 2
        paths.append(
            {
                axes[0].name: path[0],
                axes[1].name: path[1],
                "losses_part": name,
                "losses_color": SERIES[i % len(SERIES)],
            }
        )
    return hv.Contours(paths, axes, ["losses_part", "losses_color"], group=group)
