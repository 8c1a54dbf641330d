"""A score of several training variants against one varied setting; crosses mark published scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.embed import file_html
from bokeh.models import FixedTicker
from bokeh.resources import INLINE

from workbench.core.argument_kinds import describe
from workbench.core.entries import public
from workbench.core.errors import DataError
from workbench.plots.posteriors import MARKERS
from workbench.plots.style import FIGURE, LEGEND, SERIES, dimensions, fix_axes, line, overlay, register

#: Names longer than this many characters are rotated along the horizontal axis.
_LONG = 6


def _name_places(plot: Any, element: Any) -> None:
    """HoloViews hook: label the horizontal axis with the values of the varied setting."""
    fix_axes(plot, element)
    places = list(element.get(0).dimension_values("trends_place", expanded=False))
    names = {i: str(name) for i, name in enumerate(places)}
    plot.handles["xaxis"].update(ticker=FixedTicker(ticks=sorted(names)), major_label_overrides=names)
    if max((len(name) for name in names.values()), default=0) > _LONG:
        plot.handles["xaxis"].major_label_orientation = 0.9


register(
    hv.opts.Points("TrendsPlace", alpha=0, size=0, show_legend=False),
    hv.opts.Curve("TrendsMean", line_width=1.8),
    hv.opts.Points("TrendsMean", size=6, line_alpha=0),
    hv.opts.Segments("TrendsRange", line_width=1.2, alpha=0.6, show_legend=False),
    hv.opts.Points("TrendsPublished", size=9, marker="x", line_width=2, show_legend=False),
    hv.opts.Overlay(
        "Trends",
        hooks=[_name_places],
        **FIGURE,
        legend_position="right",
        legend_opts=LEGEND["legend_opts"] | {"orientation": "vertical", "spacing": 2},
    ),
    compact={},
)


def trends(data: xr.Dataset) -> hv.Overlay:
    """Draw the mean score of each training variant with its range, over the values of a varied setting.

    ``data`` has the variables ``mean``, ``low``, ``high`` and ``published``, all (series, place): ``series``
    are the names of the training variants, ``place`` the values of the setting as texts. Attributes:
    ``connected`` is 1 if the values of the setting have an order, so that lines join the means; ``log`` is 1
    for a logarithmic vertical axis (a score below its range is drawn at its lower end); labels and plotted
    ranges of both axes. Infinite scores are drawn at the end of the axis; missing ones are NaN.
    """
    axes = dimensions(data, "trends")
    log, in_order = bool(data.attrs["log"]), bool(data.attrs["connected"])
    edge, end = axes[1].range
    ends = [hv.Dimension(f"trends_{n}") for n in ("left", "bottom", "right", "top")]
    names = [str(n) for n in data["place"].values]
    places, count = np.arange(len(names), dtype=float), data.sizes["series"]

    def inside(name: str, i: int) -> np.ndarray:
        values = data[name].values[i].astype(float)
        values = np.where(np.isposinf(values), end, np.where(np.isneginf(values), edge, values))
        return np.maximum(values, edge) if log else values

    level = np.full(len(names), axes[1].range[0])
    elements: list[Any] = [
        hv.Points((places, level, names), axes, [hv.Dimension("trends_place")], group="TrendsPlace")
    ]
    for i, label in enumerate(str(n) for n in data["series"].values):
        style = {"color": SERIES[i % len(SERIES)]}
        # side by side where no line joins them
        shift = 0.0 if in_order or count < 2 else 0.5 * (i / (count - 1) - 0.5)
        x, mean, low, high, others = (
            places + shift, *(inside(name, i) for name in ("mean", "low", "high", "published"))
        )  # fmt: skip
        if in_order:
            elements.append(line(x, mean, axes, "TrendsMean", label).opts(**style))
        finite, apart, has_value = np.isfinite(mean), np.isfinite(low) & (high > low), np.isfinite(others)
        dots = hv.Points((x[finite], mean[finite]), axes, group="TrendsMean", label=label)
        elements.append(dots.opts(marker=MARKERS[1:][i % (len(MARKERS) - 1)], **style))
        between = (x[apart], low[apart], x[apart], high[apart])
        elements.append(hv.Segments(between, ends, group="TrendsRange").opts(**style))
        crosses = hv.Points((x[has_value], others[has_value]), axes, group="TrendsPublished")
        elements.append(crosses.opts(**style))
    return overlay(elements, data, "Trends").opts(hv.opts.Overlay("Trends", logy=log))


@public
def figure(parts: Sequence[xr.Dataset], *, width: int = 560, height: int = 360) -> hv.Layout:
    """Arrange one trend plot per Dataset in a column; ``width`` and ``height`` of each are in pixels.

    Raises `DataError` for anything but Datasets such as those of `workbench.studies.figures`.
    """
    if strangers := [part for part in parts if "connected" not in getattr(part, "attrs", {})]:
        raise DataError(
            "A figure of a study shows its Datasets",
            expected="what studies.figures gives",
            found=describe(strangers[0]),
        )
    size = {"responsive": False, "width": width, "height": height}
    plots = [trends(part).opts(hv.opts.Overlay("Trends", **size)) for part in parts]
    return hv.Layout(plots).cols(1).opts(shared_axes=False)


@public
def save_figure(parts: Sequence[xr.Dataset], path: str | Path) -> Path:
    """Write the trend plots of these Datasets to an HTML file that works offline; return its path."""
    path = Path(path)
    if not len(parts):
        raise DataError("There is no plot to write", expected="one Dataset or more", found="none")
    # not with hv.save, whose page loads icons from the network
    page = file_html(hv.render(figure(parts), backend="bokeh"), INLINE, title="Figure of a study")
    path.write_text(page, encoding="utf-8")
    return path
