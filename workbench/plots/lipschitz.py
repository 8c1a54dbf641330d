"""Steepest slopes of the network at single points (singular values of its Jacobian), in both directions."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.cumulative import cumulative_shares


def lipschitz(data: xr.Dataset) -> hv.Overlay:
    """Draw distribution functions of log₁₀ slopes over points: x → z solid, z → x dashed."""
    with np.errstate(divide="ignore"):
        forward, back = (np.log10(data[f"{way}_slope"].values) for way in ("forward", "inverse"))
    names = ("x → z", "z → x")
    return cumulative_shares(data, "lipschitz", "log₁₀ of the steepest slope", forward, back, names=names)
