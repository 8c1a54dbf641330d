"""Latents of the data beside a standard normal distribution and its probability rings."""

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
    points,
    register,
)

register(
    hv.opts.Curve("LatentRings", color=NEUTRAL, line_width=1, line_dash="dashed"),
    hv.opts.Points("LatentReference", color=REFERENCE, size=4, alpha=0.4, line_alpha=0),
    hv.opts.Points("LatentCode", color=MODEL, size=5, alpha=0.7, marker="x", line_width=1),
    hv.opts.Overlay("Latent", hooks=[fix_axes], **FIGURE, **LEGEND),
)

_TURN = np.append(np.linspace(0, 2 * np.pi, 73), np.nan)


def latent(data: xr.Dataset) -> hv.Overlay:
    """Draw the data's latents as crosses, normal draws as dots, and the normal's 50, 90, 99 % circles."""
    axes = dimensions(data, "latent")
    radii = data["ring_radius"].values[:, None]
    return overlay(
        [
            line(
                (radii * np.cos(_TURN)).ravel(),
                (radii * np.sin(_TURN)).ravel(),
                axes,
                "LatentRings",
                "50, 90, 99 %",
            ),
            points(data, "reference", axes, "LatentReference", "normal"),
            points(data, "latent", axes, "LatentCode", "data’s code"),
        ],
        data,
        "Latent",
    )
