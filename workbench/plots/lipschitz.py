"""Steepest local slopes of the network, in both directions."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def lipschitz(data: xr.Dataset) -> hv.Overlay:
    """Draw decimal logarithms of the slopes: solid from x to the latent, dashed back."""
    with np.errstate(divide="ignore"):
        forward, back = (np.log10(data[f"{way}_slope"].values) for way in ("forward", "inverse"))
    names = ("x → z", "z → x")
    return cumulative_shares(data, "lipschitz", "log₁₀ of the steepest slope", forward, back, names=names)
