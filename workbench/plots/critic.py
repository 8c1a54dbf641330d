"""Plot of the learned critic beside the optimal one, as log-ratios of data and model density.

For two variables x: two images side by side on one pair of axes, with one colour scale. Otherwise: learned
against optimal log-ratio at points of both distributions.
"""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import BasicTicker, ColorBar, FixedTicker

from workbench.plots.style import (
    COLOUR_BAR,
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    axes,
    fix_axes,
    hide_empty_entries,
    line,
    overlay,
    register,
    signed_ramp,
)

#: Gap between the two images and room above them, as fractions of an image's side.
BETWEEN, ABOVE = 0.08, 0.12
#: Ticks below each image, as fractions of its range: evenly spaced across both images.
PLACES = (0.15, 0.5, 0.85)
NAMES = ("learned", "optimal")


def _name_places(plot: Any, element: Any) -> None:
    """HoloViews hook: label the ticks below each of the two images with values of x."""
    fix_axes(plot, element)
    state = plot.handles["workbench"]
    low, high, width = (float(v) for v in element.get(2).dimension_values("critic_window"))
    if state.get("window") == (low, high, width):
        return
    state["window"] = low, high, width
    for bar in plot.state.select({"type": ColorBar}):
        bar.visible = bool(width)
    if not width:
        plot.handles["xaxis"].update(ticker=BasicTicker(), major_label_overrides={})
        return
    shift = (1 + BETWEEN) * width
    ticks = {low + i * shift + t * width: f"{low + t * width:.3g}" for i in (0, 1) for t in PLACES}
    labels = {place: text.replace("-", "−") for place, text in ticks.items()}
    plot.handles["xaxis"].update(ticker=FixedTicker(ticks=sorted(labels)), major_label_overrides=labels)


register(
    hv.opts.Image("CriticLearned", cmap=signed_ramp(), colorbar=True, colorbar_opts=COLOUR_BAR),
    hv.opts.Image("CriticOptimal", cmap=signed_ramp(), colorbar=False),
    hv.opts.Labels("CriticText", text_color=NEUTRAL, text_font_size="9pt"),
    hv.opts.Curve("CriticEqual", color=NEUTRAL, line_width=1, line_dash="dotted"),
    hv.opts.Points("CriticData", color=REFERENCE, size=4, alpha=0.5, line_alpha=0),
    hv.opts.Points("CriticModel", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Overlay("Critic", hooks=[_name_places, hide_empty_entries], **FIGURE, **LEGEND),
)


def critic(data: xr.Dataset) -> hv.Overlay:
    """Draw log data/model: blue where the data are denser than the model, orange where the model is denser.

    Without images, dots are data and crosses draws of the model; those of an optimal critic lie on the
    diagonal.
    """
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
            {side.name: data[f"at_{name}"].values[:, i] for i, side in enumerate(sides)},
            sides,
            group=f"Critic{name.capitalize()}",
            label="draws" if name == "model" else name,
            datatype=["dictionary"],
        )
        for name in ("data", "model")
    ]
    labels = hv.Labels(texts, sides, ["critic_text", "critic_window"], group="CriticText")
    return overlay([*images, labels, equal, *clouds], data, "Critic")
