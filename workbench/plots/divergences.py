"""Divergences between data and model, measured during training, on one logarithmic axis."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker, Legend

from workbench.plots.losses import swatches
from workbench.plots.style import FIGURE, LEGEND, SERIES, dimensions, fix_axes, overlay, register

_POWERS = {-4: "≤ 0.0001", -3: "0.001", -2: "0.01", -1: "0.1", 0: "1", 1: "10"}

#: Short names of the divergences for the legend, by key.
_SHORT = {
    "kl": "KL",
    "reverse_kl": "reverse KL",
    "jensen_shannon": "JS",
    "gan": "GAN",
    "pearson": "Pearson χ²",
    "neyman": "Neyman χ²",
    "squared_hellinger": "Hellinger",
    "total_variation": "TV",
    "alpha": "α",
    "donsker_varadhan": "DV",
    "wasserstein_critic": "W1",
    "f_gamma": "(f, Γ)",
    "sinkhorn": "Sinkhorn",
    "maximum_mean_discrepancy": "MMD²",
    "energy_distance": "energy",
    "sliced_wasserstein": "sliced W",
    "max_sliced_wasserstein": "max-sliced W",
}
#: Characters in a line of the legend, characters that a swatch counts for, columns of a longer legend.
_LINE, _SWATCH, _COLUMNS = 50, 5, 2


def _name_lines(plot: Any, element: Any) -> None:
    """HoloViews hook: name the divergences in the legend, each with its latest value."""
    fix_axes(plot, element)
    state, lines = plot.handles["workbench"], element.get(0)
    names = [str(n) for n in lines.dimension_values("divergences_name", expanded=False)]
    if "items" not in state:
        state["items"] = swatches(plot.state)
        plot.handles["yaxis"].update(ticker=FixedTicker(ticks=list(_POWERS)), major_label_overrides=_POWERS)
    if state.get("names") == names:
        return
    state["names"] = names
    for i, item in enumerate(state["items"]):
        visible = i < len(names)
        item.update(label={"value": names[i] if visible else f"unused {i}"}, visible=visible)
    long = sum(len(name) + _SWATCH for name in names) > _LINE
    plot.state.select_one(Legend).ncols = _COLUMNS if long else "auto"


register(
    hv.opts.Contours("DivergencesMeasured", color="divergences_color", line_width=1.8, show_legend=False),
    hv.opts.Overlay("Divergences", hooks=[_name_lines], **FIGURE, **LEGEND),
)


def divergences(data: xr.Dataset) -> hv.Overlay:
    """Draw one line per divergence; values below the axis, also negative estimates, lie on its lower end."""
    axes = dimensions(data, "divergences")
    low, high = axes[1].range
    iteration, paths = data["iteration"].values, []
    for i, name in enumerate(data["divergence"].values):
        value = data["value"].values[i]
        finite = np.isfinite(value)
        logarithm = np.log10(np.maximum(value[finite], 10.0**low))
        # a path without a point would leave its colour without a range: use one outside the figure
        path = [iteration[finite], np.minimum(logarithm, high)] if finite.any() else [np.full(2, np.nan)] * 2
        last = f" {value[finite][-1]:.2g}".replace("-", "−") if finite.any() else ""
        paths.append(
            {
                axes[0].name: path[0],
                axes[1].name: path[1],
                "divergences_name": _SHORT.get(str(name), str(name).replace("_", " ")) + last,
                "divergences_color": SERIES[i % len(SERIES)],
            }
        )
    lines = hv.Contours(paths, axes, ["divergences_name", "divergences_color"], group="DivergencesMeasured")
    return overlay([lines], data, "Divergences")
