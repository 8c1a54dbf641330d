"""Measured divergences over the iterations, on one logarithmic axis."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker, Legend

from workbench.plots.losses import swatches
from workbench.plots.style import FIGURE, LEGEND, SERIES, dimensions, hold_still, joined, register

_POWERS = {-4: "≤ 0.0001", -3: "0.001", -2: "0.01", -1: "0.1", 0: "1", 1: "10"}

#: Names that fit a legend.
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
#: Letters that one line of the legend has room for, where a swatch counts as some; and its columns beyond.
_LINE, _SWATCH, _COLUMNS = 50, 5, 2


def _name_lines(plot: Any, element: Any) -> None:
    """Hook: the legend names the divergences, each with its last value."""
    hold_still(plot, element)
    seen, named = plot.handles["workbench"], element.get(0)
    names = [str(n) for n in named.dimension_values("divergences_name", expanded=False)]
    if "items" not in seen:
        seen["items"] = swatches(plot.state)
        plot.handles["yaxis"].update(ticker=FixedTicker(ticks=list(_POWERS)), major_label_overrides=_POWERS)
    if seen.get("names") == names:
        return
    seen["names"] = names
    for i, item in enumerate(seen["items"]):
        used = i < len(names)
        item.update(label={"value": names[i] if used else f"unused {i}"}, visible=used)
    long = sum(len(name) + _SWATCH for name in names) > _LINE
    plot.state.select_one(Legend).ncols = _COLUMNS if long else "auto"


register(
    hv.opts.Contours("DivergencesMeasured", color="divergences_color", line_width=1.8, show_legend=False),
    hv.opts.Overlay("Divergences", hooks=[_name_lines], **FIGURE, **LEGEND),
)


def divergences(data: xr.Dataset) -> hv.Overlay:
    """One line a divergence; what an unbiased estimate puts below zero lies on the bottom."""
    axes = dimensions(data, "divergences")
    low, high = axes[1].range
    iteration, paths = data["iteration"].values, []
    for i, name in enumerate(data["divergence"].values):
        value = data["value"].values[i]
        kept = np.isfinite(value)
        shown = np.log10(np.maximum(value[kept], 10.0**low))
        # a path without a point would leave its colour without a range: one that is drawn nowhere stands in
        places = [iteration[kept], np.minimum(shown, high)] if kept.any() else [np.full(2, np.nan)] * 2
        last = f" {value[kept][-1]:.2g}".replace("-", "−") if kept.any() else ""
        paths.append(
            {
                axes[0].name: places[0],
                axes[1].name: places[1],
                "divergences_name": _SHORT.get(str(name), str(name).replace("_", " ")) + last,
                "divergences_color": SERIES[i % len(SERIES)],
            }
        )
    lines = hv.Contours(paths, axes, ["divergences_name", "divergences_color"], group="DivergencesMeasured")
    return joined([lines], data, "Divergences")
