"""Layers: a plot as named columns, so that a live page can replace the numbers of a figure without building
it anew.

Such a plot has a function that makes the columns, ``{label: {dimension: values}}``, and one that makes
HoloViews elements of the same columns. A HoloViews update costs 30 ms a plot; new columns for a figure that
is there cost less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.style import MODEL, NEUTRAL

#: Colours of the laws: the second model differs from the first in lightness as well.
OTHER = "#7a4fb5"
#: What a refinement made of the model's draws: told from model and reference by every kind of colour vision.
REFINED, LONG_DASH = "#bd5fa5", [9, 3]
LAW_COLOURS = {"model": MODEL, "other": OTHER}
Columns = dict[str, dict[str, Any]]


def curve(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Curve:
    """A line that NaN interrupts."""
    return hv.Curve(columns[label], axes[:1], axes[1:], group=group, label=label, datatype=["dictionary"])


def points(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Points:
    return hv.Points(columns[label], list(axes), group=group, label=label, datatype=["dictionary"])


def segments(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Segments:
    ends = [hv.Dimension(f"{axis.name}_end") for axis in axes]
    return hv.Segments(columns[label], [*axes, *ends], group=group, label=label, datatype=["dictionary"])


def line_columns(axes: Sequence[hv.Dimension], xy: Any) -> dict[str, np.ndarray]:
    """(n, 2) as the columns of a curve or of points."""
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    return {axes[0].name: xy[:, 0], axes[1].name: xy[:, 1]}


def segment_columns(axes: Sequence[hv.Dimension], ends: Any) -> dict[str, np.ndarray]:
    """(n, 4) rows (x0, y0, x1, y1) as the columns of segments."""
    ends = np.asarray(ends, dtype=np.float64).reshape(-1, 4)
    names = [*(axis.name for axis in axes), *(f"{axis.name}_end" for axis in axes)]
    return dict(zip(names, ends.T, strict=True))


def broken(lines: Any) -> np.ndarray:
    """Many lines (line, point, 2) as one with a gap after each, (n, 2)."""
    lines = np.asarray(lines, dtype=np.float64)
    if not lines.size:
        return np.empty((0, 2))
    gap = np.full((len(lines), 1, 2), np.nan)
    return np.concatenate([lines, gap], 1).reshape(-1, 2)


def nice_ticks(low: float, high: float, most: int = 3) -> list[float]:
    """At most ``most`` round numbers well inside a window."""
    span = high - low
    for power in range(-2, 3):
        for step in (1.0, 2.0, 5.0):
            size = step * 10.0 ** (np.floor(np.log10(span)) + power)
            first = np.ceil((low + 0.08 * span) / size)
            found = [float(k * size) for k in np.arange(first, np.floor((high - 0.08 * span) / size) + 1)]
            if len(found) <= most:
                return found or [float(f"{0.5 * (low + high):.3g}")]
    return [float(f"{0.5 * (low + high):.3g}")]


def tick_text(value: float) -> str:
    """A tick's number: as short as it is exact to six digits, with a real minus sign."""
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", "−")


__all__ = [
    "LAW_COLOURS",
    "NEUTRAL",
    "OTHER",
    "Columns",
    "broken",
    "curve",
    "line_columns",
    "nice_ticks",
    "points",
    "segment_columns",
    "segments",
    "tick_text",
]
