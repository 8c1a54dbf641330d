"""The learned critic and the optimal one: in the plane side by side on one pair of axes, with one scale of
colours; elsewhere one against the other at points of both laws."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import BasicTicker, ColorBar, FixedTicker

from workbench.plots.style import (
    COLOUR_BAR,
    FIGURE,
    KNOWN,
    LEGEND,
    MODEL,
    NEUTRAL,
    axes,
    hold_still,
    joined,
    line,
    name_what_is_drawn,
    register,
    signed_ramp,
)

#: Room between the two pictures and above them, as shares of a picture's side.
BETWEEN, ABOVE = 0.08, 0.12
#: Where its window is marked below each picture: as far apart across the room between the two as within.
PLACES = (0.15, 0.5, 0.85)
NAMES = ("learned", "optimal")


def _name_places(plot: Any, element: Any) -> None:
    """Hook: below each picture the ends of the window stand, not places along the whole."""
    hold_still(plot, element)
    seen = plot.handles["workbench"]
    low, high, width = (float(v) for v in element.get(2).dimension_values("critic_window"))
    if seen.get("window") == (low, high, width):
        return
    seen["window"] = low, high, width
    for bar in plot.state.select({"type": ColorBar}):
        bar.visible = bool(width)
    if not width:
        plot.handles["xaxis"].update(ticker=BasicTicker(), major_label_overrides={})
        return
    shift = (1 + BETWEEN) * width
    ticks = {low + i * shift + t * width: f"{low + t * width:.3g}" for i in (0, 1) for t in PLACES}
    named = {place: text.replace("-", "−") for place, text in ticks.items()}
    plot.handles["xaxis"].update(ticker=FixedTicker(ticks=sorted(named)), major_label_overrides=named)


register(
    hv.opts.Image("CriticLearned", cmap=signed_ramp(), colorbar=True, colorbar_opts=COLOUR_BAR),
    hv.opts.Image("CriticOptimal", cmap=signed_ramp(), colorbar=False),
    hv.opts.Labels("CriticText", text_color=NEUTRAL, text_font_size="9pt"),
    hv.opts.Curve("CriticEqual", color=NEUTRAL, line_width=1, line_dash="dotted"),
    hv.opts.Points("CriticData", color=KNOWN, size=4, alpha=0.5, line_alpha=0),
    hv.opts.Points("CriticModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Overlay("Critic", hooks=[_name_places, name_what_is_drawn], **FIGURE, **LEGEND),
)


def critic(data: xr.Dataset) -> hv.Overlay:
    """Blue where there is more data than the model makes, orange where the model makes more than there is.
    Beyond the plane dots are data and crosses draws; a critic that knows the ratio has them on the line."""
    low, high = (float(v) for v in data.attrs["horizontal_window"])
    bottom, top = (float(v) for v in data.attrs["vertical_window"])
    width, height = high - low, top - bottom
    shift = (1 + BETWEEN) * width
    planar = bool(data.attrs["planar"])
    sides = axes(
        "critic",
        (data.attrs["horizontal_label"], data.attrs["vertical_label"]),
        ((low, high + shift * planar), (bottom, top + ABOVE * height * planar)),
    )
    scale = hv.Dimension(
        "critic_value", label="log data/model", range=tuple(float(v) for v in data.attrs["color_limits"])
    )
    places = data["horizontal"].values, data["vertical"].values
    images = [
        hv.Image(
            (places[0] + i * shift, places[1], data[name].values),
            sides,
            scale,
            group=f"Critic{name.capitalize()}",
        )
        for i, name in enumerate(NAMES)
    ]
    texts = {
        sides[0].name: np.array([low + 0.5 * width, low + 0.5 * width + shift, np.nan]),
        sides[1].name: np.full(3, top + 0.5 * ABOVE * height),
        "critic_text": [*NAMES, ""] if planar else [""] * 3,
        "critic_window": np.array([low, high, width * planar]),
    }
    ends = [low, high] if not planar else [np.nan, np.nan]
    equal = line(ends, ends, sides, "CriticEqual", "")
    clouds = [
        hv.Points(
            {side.name: data[f"at_{law}"].values[:, i] for i, side in enumerate(sides)},
            sides,
            group=f"Critic{law.capitalize()}",
            label="draws" if law == "model" else law,
            datatype=["dictionary"],
        )
        for law in ("data", "model")
    ]
    labels = hv.Labels(texts, sides, ["critic_text", "critic_window"], group="CriticText")
    return joined([*images, labels, equal, *clouds], data, "Critic")
