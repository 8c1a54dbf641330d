"""Empirical distribution function of a score over observations: the model's beside that of exact draws."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    LEGEND,
    MODEL,
    NEUTRAL,
    REFERENCE,
    axes,
    fix_axes,
    line,
    overlay,
    register,
)

NOTHING = np.empty(0)

register(
    hv.opts.Curve("BesideModel", color=MODEL, line_width=2),
    hv.opts.Curve("BesideExact", color=REFERENCE, line_width=2, line_dash="dashed"),
    hv.opts.Curve("BesideMark", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Overlay("Beside", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def cumulative_shares(
    data: xr.Dataset,
    prefix: str,
    label: str,
    model: np.ndarray,
    exact: np.ndarray = NOTHING,
    *,
    mark: float = np.nan,
    window: tuple[float, float] | None = None,
    names: tuple[str, str] = ("model", "exact"),
) -> hv.Overlay:
    """Draw the empirical distribution functions of two samples (n,) of a score.

    Either sample may be empty. ``mark`` is the score at which a vertical dotted line is drawn, ``window`` the
    plotted range of scores (by default that of the samples), ``label`` the horizontal axis label; ``prefix``
    makes the names of the axes unique, and ``names`` are the legend entries of the two samples.
    """
    values = np.concatenate([model, exact, [mark]])
    values = values[np.isfinite(values)]
    if window is None:
        low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
        room = 0.05 * (high - low) or 0.5
        window = (low - room, high + room)
    sides = axes(prefix, (label, "share of observations"), (window, (-0.03, 1.03)))
    parts = [
        line(*_steps(model, window), sides, "BesideModel", names[0]),
        line(*_steps(exact, window), sides, "BesideExact", names[1]),
        line([mark, mark], [0, 1], sides, "BesideMark", "marked"),
    ]
    return overlay(parts, data, "Beside")


def _steps(values: np.ndarray, window: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return horizontal and vertical coordinates of the empirical distribution function, as steps."""
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return np.full(2, np.nan), np.full(2, np.nan)
    share = np.arange(len(values) + 1) / len(values)
    return np.r_[window[0], np.repeat(values, 2), window[1]], np.repeat(share, 2)
