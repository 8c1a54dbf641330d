"""Terms of the bound on the posterior's error: a table with bars on a log₁₀ axis, values and their status."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr
from bokeh.models import FixedTicker

from workbench.plots.style import (
    COMPACT_WITHOUT_TOOLS,
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    SERIES,
    dimensions,
    fix_axes,
    line,
    overlay,
    register,
)

#: Terms that hold the true error; half the height of a bar; ends of the log₁₀ axis of the bars.
TRUE, HALF, LOW, HIGH = ("truth", "floor"), 0.32, -4.0, 4.0
#: Font size of the rows: thirteen of them must fit into a low card.
SMALL = "9px"
_POWERS = {-3: "0.001", 0: "1", 3: "1000"}


def _name_rows(plot: Any, element: Any) -> None:
    """HoloViews hook: label the rows with the names of the terms, the horizontal axis with powers of ten."""
    fix_axes(plot, element)
    state = plot.handles["workbench"]
    names = [str(n) for n in element.get(0).dimension_values("bound_name")]
    if state.get("rows") == names:
        return
    state["rows"] = names
    rows = {len(names) - 1 - i: name for i, name in enumerate(names)}
    plot.handles["yaxis"].update(
        ticker=FixedTicker(ticks=sorted(rows)), major_label_overrides=rows, major_label_text_font_size=SMALL
    )
    plot.handles["xaxis"].update(ticker=FixedTicker(ticks=list(_POWERS)), major_label_overrides=_POWERS)


register(
    hv.opts.Rectangles("BoundTrue", color=REFERENCE, line_alpha=0, show_legend=False),
    hv.opts.Rectangles("BoundMeasured", color=MODEL, line_alpha=0, show_legend=False),
    hv.opts.Rectangles("BoundDeclared", color=SERIES[2], line_alpha=0, show_legend=False),
    hv.opts.Curve("BoundLine", color=REFERENCE, line_width=1.5, line_dash="dashed", show_legend=False),
    hv.opts.Labels("BoundText", text_color=NEUTRAL, text_align="right", text_font_size=SMALL),
    hv.opts.Overlay("Bound", hooks=[_name_rows], **FIGURE, **LEGEND),
    compact=COMPACT_WITHOUT_TOOLS,
)


def bound(data: xr.Dataset) -> hv.Overlay:
    """Draw a bar for each term: true error in blue, measured terms in orange, declared ones in green.

    A dashed line continues the true error down to the bar of the bound, which must reach it.
    """
    axes = dimensions(data, "bound")
    names = [str(n) for n in data["label"].values]
    value, status = data["value"].values, data["status"].values
    true = np.isin(data["term"].values, TRUE)
    row = np.arange(len(names) - 1, -1, -1, dtype=float)
    kinds = {
        "BoundTrue": true,
        "BoundMeasured": ~true & (status != "declared"),
        "BoundDeclared": ~true & (status == "declared"),
    }
    bars = [_bars(axes, names, np.where(mask, value, np.nan), row, group) for group, mask in kinds.items()]
    place = _place(value[:1])
    mark = line(np.repeat(place, 2), [row[0], row[min(2, len(row) - 1)] - 0.5], axes, "BoundLine", "")
    texts = {
        axes[0].name: np.full(len(row), axes[0].range[1] - 0.1),
        axes[1].name: row,
        "bound_text": [_text(v, str(s)) for v, s in zip(value, status, strict=True)],
    }
    labels = hv.Labels(texts, axes, "bound_text", group="BoundText")
    return overlay([*bars, mark, labels], data, "Bound")


def _place(value: np.ndarray) -> np.ndarray:
    """Return log10(value), clipped to the axis, as the end of a bar; NaN for a value that is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.log10(np.where(value > 0, value, np.nan)), LOW, HIGH)


def _bars(axes: list, names: list[str], value: np.ndarray, row: np.ndarray, group: str) -> hv.Rectangles:
    end = _place(value)
    finite = np.isfinite(end)
    sides = {
        axes[0].name: np.where(finite, LOW, np.nan),
        axes[1].name: row - HALF,
        f"{axes[0].name}_end": end,
        f"{axes[1].name}_end": row + HALF,
        "bound_name": names,
    }
    keys = [axes[0], axes[1], f"{axes[0].name}_end", f"{axes[1].name}_end"]
    return hv.Rectangles(sides, keys, "bound_name", group=group)


def _text(value: float, status: str) -> str:
    if not np.isfinite(value):
        return status
    number = f"{value:.3g}" if abs(value) < 1e5 else f"{value:.0e}"
    return f"{number.replace('-', '−')}  {status}"
