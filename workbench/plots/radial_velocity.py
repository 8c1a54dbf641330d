"""Measured velocities with their error bars, and the posterior's curves through them."""

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
    dimensions,
    fix_axes,
    line,
    overlay,
    register,
)


def register_style(group: str) -> None:
    """Register the style of a velocity plot, whose HoloViews groups all begin with ``group``."""
    register(
        hv.opts.Area(f"{group}Band", color=MODEL, alpha=0.22, line_alpha=0),
        hv.opts.Curve(f"{group}Draws", color=MODEL, line_width=0.8, alpha=0.55),
        hv.opts.Curve(f"{group}Reference", color=REFERENCE, line_width=1.5, line_dash="5 3"),
        hv.opts.ErrorBars(f"{group}Errors", line_color=NEUTRAL, lower_head=None, upper_head=None),
        hv.opts.Points(f"{group}Data", color=REFERENCE, size=6, line_color="white", line_width=0.5),
        hv.opts.Overlay(group, hooks=[fix_axes], **FIGURE, **LEGEND),
    )


register_style("RadialVelocity")


def radial_velocity(data: xr.Dataset) -> hv.Overlay:
    """Draw velocity over time: the model's 5 to 95 % band, some of its curves, and the measurements.

    Dashed lines bound the 5 to 95 % band of the reference posterior.
    """
    return measured_curve(data, "radial_velocity", "time", "RadialVelocity")


def measured_curve(data: xr.Dataset, name: str, measured_at: str, group: str) -> hv.Overlay:
    """Draw velocities over time or phase: band and curves of the posterior, and measurements.

    ``name`` is the plot's name, ``measured_at`` the variable with the measurements' times or phases, and
    ``group`` the prefix of the HoloViews groups (see `register_style`).
    """
    axes = dimensions(data, name)
    at = data["at"].values
    there = np.isfinite(data["model_low"].values).all() and len(at) > 0
    band = slice(None) if there else slice(0)
    upper = hv.Dimension(f"{name}_upper")
    area = {
        axes[0].name: at[band],
        axes[1].name: data["model_low"].values[band],
        upper.name: data["model_high"].values[band],
    }
    places, velocity = data[measured_at].values, data["observed"].values
    error = hv.Dimension(f"{name}_error")
    return overlay(
        [
            # a curve comes first, since it has just the two axes that the hook reads
            line(*_chain(at, data["model_curve"].values), axes, f"{group}Draws", "some draws"),
            hv.Area(
                area, axes[:1], [axes[1], upper], group=f"{group}Band", label="model", datatype=["dictionary"]
            ),
            line(*_chain(at, _edges(data)), axes, f"{group}Reference", "reference"),
            hv.ErrorBars(
                {axes[0].name: places, axes[1].name: velocity, error.name: data["error"].values},
                axes[:1],
                [axes[1], error],
                group=f"{group}Errors",
                datatype=["dictionary"],
            ),
            hv.Points(
                {axes[0].name: places, axes[1].name: velocity},
                axes,
                group=f"{group}Data",
                label="measured",
                datatype=["dictionary"],
            ),
        ],
        data,
        group,
    )


def _edges(data: xr.Dataset) -> np.ndarray:
    """Return the 5 and 95 % quantile curves of the reference posterior, (2, place), or (0, place) without."""
    edges = np.stack([data["reference_low"].values, data["reference_high"].values])
    return edges if np.isfinite(edges).all() else edges[:0]


def _chain(at: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join k curves over ``at`` (n,) into one line; return its x and y coordinates, NaN after each curve."""
    gap = np.full((len(curves), 1), np.nan)
    return np.concatenate([np.tile(at, (len(curves), 1)), gap], 1).ravel(), np.concatenate(
        [curves, gap], 1
    ).ravel()
