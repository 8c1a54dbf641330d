"""Plots as named columns, so that a live page can replace the numbers of a figure without rebuilding it.

Such a plot has a function ``columns`` that returns ``{label: {dimension: values}}``, and one that makes
HoloViews elements from these columns. A HoloViews update costs 30 ms per plot; new columns for an existing
figure cost less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.style import NEUTRAL

#: Colour of a second model, which differs from the first in lightness as well.
OTHER = "#7a4fb5"
#: Colour and dash of refined draws, distinct from model and reference for every kind of colour vision.
REFINED, LONG_DASH = "#bd5fa5", [9, 3]
Columns = dict[str, dict[str, Any]]


def curve(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Curve:
    """Return a line with gaps at NaN."""
    return hv.Curve(columns[label], axes[:1], axes[1:], group=group, label=label, datatype=["dictionary"])


def points(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Points:
    """Return the points of one label."""
    return hv.Points(columns[label], list(axes), group=group, label=label, datatype=["dictionary"])


def segments(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Segments:
    """Return the segments of one label."""
    ends = [hv.Dimension(f"{axis.name}_end") for axis in axes]
    return hv.Segments(columns[label], [*axes, *ends], group=group, label=label, datatype=["dictionary"])


def line_columns(axes: Sequence[hv.Dimension], xy: Any) -> dict[str, np.ndarray]:
    """Return (n, 2) as the columns of a curve or of points."""
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    return {axes[0].name: xy[:, 0], axes[1].name: xy[:, 1]}


def segment_columns(axes: Sequence[hv.Dimension], ends: Any) -> dict[str, np.ndarray]:
    """Return (n, 4) rows (x0, y0, x1, y1) as the columns of segments."""
    ends = np.asarray(ends, dtype=np.float64).reshape(-1, 4)
    names = [*(axis.name for axis in axes), *(f"{axis.name}_end" for axis in axes)]
    return dict(zip(names, ends.T, strict=True))


def with_gaps(lines: Any) -> np.ndarray:
    """Return many lines (line, point, 2) as one with a gap after each, (n, 2)."""
    lines = np.asarray(lines, dtype=np.float64)
    if not lines.size:
        return np.empty((0, 2))
    gap = np.full((len(lines), 1, 2), np.nan)
    return np.concatenate([lines, gap], 1).reshape(-1, 2)


def nice_ticks(low: float, high: float, most: int = 3) -> list[float]:
    """Return at most ``most`` round numbers well inside a window."""
    span = high - low
    for power in range(-2, 3):
        for step in (1.0, 2.0, 5.0):
            size = step * 10.0 ** (np.floor(np.log10(span)) + power)
            first = np.ceil((low + 0.08 * span) / size)
            ticks = [float(k * size) for k in np.arange(first, np.floor((high - 0.08 * span) / size) + 1)]
            if len(ticks) <= most:
                return ticks or [float(f"{0.5 * (low + high):.3g}")]
    return [float(f"{0.5 * (low + high):.3g}")]


def tick_text(value: float) -> str:
    """Return a tick's number, as short as six digits allow, with a minus sign."""
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", "−")


__all__ = [
    "NEUTRAL",
    "OTHER",
    "Columns",
    "curve",
    "line_columns",
    "nice_ticks",
    "points",
    "segment_columns",
    "segments",
    "tick_text",
    "with_gaps",
]
