"""Sound speed over depth: profiles and band of the model, band of the reference, and the hydrophones."""

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

register(
    hv.opts.Curve("ProfileDraws", color=MODEL, line_width=0.8, alpha=0.45),
    hv.opts.Curve("ProfileModel", color=MODEL, line_width=2),
    hv.opts.Curve("ProfileReference", color=REFERENCE, line_width=1.5, line_dash="5 3"),
    hv.opts.Points("ProfileArray", color=NEUTRAL, size=6, marker="triangle"),
    hv.opts.Overlay("SoundSpeedProfile", hooks=[fix_axes], **FIGURE, **LEGEND),
)


def sound_speed_profile(data: xr.Dataset) -> hv.Overlay:
    """Draw sound speed (horizontal) against depth (downwards).

    Thick lines bound 90 % of the model's speeds at each depth, dashed ones 90 % of the reference's.
    """
    axes = dimensions(data, "sound_speed_profile")
    depth, array = data["depth"].values, data["array"].values
    place = np.full(len(array), axes[0].range[0] + 0.03 * (axes[0].range[1] - axes[0].range[0]))
    hydrophones = {axes[0].name: place, axes[1].name: array}
    return overlay(
        [
            line(*_chain(data["model_profile"].values, depth), axes, "ProfileDraws", "seabeds"),
            line(*_chain(_edges(data, "model"), depth), axes, "ProfileModel", "model, 90 %"),
            line(*_chain(_edges(data, "reference"), depth), axes, "ProfileReference", "reference"),
            hv.Points(hydrophones, axes, group="ProfileArray", label="array", datatype=["dictionary"]),
        ],
        data,
        "SoundSpeedProfile",
    )


def _edges(data: xr.Dataset, name: str) -> np.ndarray:
    edges = np.stack([data[f"{name}_low"].values, data[f"{name}_high"].values])
    return edges if np.isfinite(edges).all() else edges[:0]


def _chain(curves: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join k profiles over depth into one line; return its x and y coordinates, NaN after each profile."""
    gap = np.full((len(curves), 1), np.nan)
    places = np.concatenate([np.tile(at, (len(curves), 1)), gap], 1)
    return np.concatenate([curves, gap], 1).ravel(), places.ravel()
