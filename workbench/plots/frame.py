"""Axes, ticks and colour bars of a figure of Bokeh, drawn with Matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColorBar, FactorRange, FixedTicker, LinearColorMapper, LogColorMapper, LogScale

from workbench.plots.style import NEUTRAL


def rgba(colour: str, alpha: float) -> tuple[float, ...]:
    from matplotlib.colors import to_rgba

    red, green, blue, opacity = to_rgba(colour)
    return red, green, blue, opacity * min(max(alpha, 0.0), 1.0)


def plain(text: object) -> str:
    """Return a text in which Matplotlib sees no formula."""
    return str(text).replace("$", r"\$")


def set_axes(figure: Any, axes: Any) -> None:
    axes.workbench_factors = {}
    for side in "xy":
        bokeh_axis = getattr(figure, f"{side}axis")[0]
        range_ = getattr(figure, f"{side}_range")
        axis = getattr(axes, f"{side}axis")
        if isinstance(getattr(figure, f"{side}_scale"), LogScale):
            getattr(axes, f"set_{side}scale")("log")
        if isinstance(range_, FactorRange):
            axes.workbench_factors |= {str(f): i + 0.5 for i, f in enumerate(range_.factors)}
            axis.set_ticks(np.arange(len(range_.factors)) + 0.5, [plain(f) for f in range_.factors])
        elif isinstance(bokeh_axis.ticker, FixedTicker):
            texts = bokeh_axis.major_label_overrides
            ticks = list(bokeh_axis.ticker.ticks)
            labels = [plain(getattr(t, "text", t)) for t in (texts.get(v, f"{v:g}") for v in ticks)]
            axis.set_ticks(ticks, labels)
        axis.set_visible(bool(bokeh_axis.visible))
        getattr(axes, f"set_{side}label")(plain(bokeh_axis.axis_label or "").strip(), fontsize=9)
    axes.tick_params(labelsize=8, color=NEUTRAL)
    axes.set_title(plain(getattr(figure.title, "text", "") or ""), fontsize=10)
    for spine in axes.spines.values():
        spine.set_color(NEUTRAL)
    axes.spines[["top", "right"]].set_visible(False)


def limit(figure: Any, axes: Any) -> None:
    for side in "xy":
        range_ = getattr(figure, f"{side}_range")
        ends = (0, len(range_.factors)) if isinstance(range_, FactorRange) else (range_.start, range_.end)
        if all(v is not None and np.isfinite(v) for v in ends) and ends[0] != ends[1]:
            getattr(axes, f"set_{side}lim")(*(float(v) for v in ends))
        elif not isinstance(range_, FactorRange):
            axes.autoscale(axis=side)


def add_colour_bars(figure: Any, axes: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    for bar in figure.select(ColorBar):
        mapper = bar.color_mapper
        if not bar.visible or not isinstance(mapper, (LinearColorMapper, LogColorMapper)):
            continue
        if mapper.low is None or mapper.high is None or not mapper.low < mapper.high:
            continue
        norm = (LogNorm if isinstance(mapper, LogColorMapper) else Normalize)(mapper.low, mapper.high)
        scale = ScalarMappable(norm, ListedColormap([rgba(c, 1.0) for c in mapper.palette]))
        colour_bar = axes.figure.colorbar(scale, ax=axes, fraction=0.04, pad=0.02)
        colour_bar.ax.tick_params(labelsize=8)
        colour_bar.outline.set_visible(False)
        if bar.title:
            colour_bar.set_label(plain(getattr(bar.title, "text", bar.title)), fontsize=8)
