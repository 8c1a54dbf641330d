"""Plots as named columns of numbers, so that a live page updates a figure without rebuilding it.

Such a plot has a function ``columns`` that returns ``{element label: {dimension: values}}``, and one that
makes HoloViews elements from these columns. A HoloViews update costs 30 ms per plot; sending new columns to
an existing figure costs less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from workbench.plots.style import NEUTRAL

#: Colour of a second model, which differs from that of the first in lightness as well.
OTHER = "#7a4fb5"
#: Colour and dash of a refined posterior, distinct from model and reference for every kind of colour vision.
REFINED, LONG_DASH = "#bd5fa5", [9, 3]
Columns = dict[str, dict[str, Any]]


def curve(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Curve:
    """Return ``columns[label]``, values by dimension, as a curve that is interrupted at NaN."""
    return hv.Curve(columns[label], axes[:1], axes[1:], group=group, label=label, datatype=["dictionary"])


def points(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Points:
    """Return ``columns[label]``, values by dimension, as points."""
    return hv.Points(columns[label], list(axes), group=group, label=label, datatype=["dictionary"])


def segments(columns: Columns, label: str, axes: Sequence[hv.Dimension], group: str) -> hv.Segments:
    """Return ``columns[label]``, values by dimension, as line segments."""
    ends = [hv.Dimension(f"{axis.name}_end") for axis in axes]
    return hv.Segments(columns[label], [*axes, *ends], group=group, label=label, datatype=["dictionary"])


def line_columns(axes: Sequence[hv.Dimension], xy: Any) -> dict[str, np.ndarray]:
    """Convert points (n, 2) to columns ``{dimension: values}`` of a curve or of points."""
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    return {axes[0].name: xy[:, 0], axes[1].name: xy[:, 1]}


def segment_columns(axes: Sequence[hv.Dimension], ends: Any) -> dict[str, np.ndarray]:
    """Convert segments (n, 4), rows (x0, y0, x1, y1), to columns ``{dimension: values}``."""
    ends = np.asarray(ends, dtype=np.float64).reshape(-1, 4)
    names = [*(axis.name for axis in axes), *(f"{axis.name}_end" for axis in axes)]
    return dict(zip(names, ends.T, strict=True))


def with_gaps(lines: Any) -> np.ndarray:
    """Join lines (line, point, 2) into one (n, 2), with a row of NaN after each."""
    lines = np.asarray(lines, dtype=np.float64)
    if not lines.size:
        return np.empty((0, 2))
    gap = np.full((len(lines), 1, 2), np.nan)
    return np.concatenate([lines, gap], 1).reshape(-1, 2)


def nice_ticks(low: float, high: float, most: int = 3) -> list[float]:
    """Return at most ``most`` round tick values between ``low`` and ``high``, not close to either."""
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
    """Format a tick value with at most six significant digits and a typographic minus sign."""
    return f"{value + 0.0:.6g}".replace("-", "−")  # -0.0 + 0.0 is 0.0


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
