"""A latent lattice after a layer of the network, each cell coloured by the change of its area."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import COLOUR_BAR, FIGURE, NEUTRAL, axes, fix_axes, register, signed_ramp

register(
    hv.opts.QuadMesh(
        "Grid",
        hooks=[fix_axes],
        cmap=signed_ramp(),
        colorbar=True,
        colorbar_opts=COLOUR_BAR,
        line_color=NEUTRAL,
        line_width=0.5,
        fill_alpha=0.85,
        **FIGURE,
    )
)

#: Corner coordinates of a single cell of NaN, which is drawn before the first snapshot.
_NOWHERE = np.full((2, 2), np.nan)


def grid(data: xr.Dataset, layer: int = -1) -> hv.QuadMesh:
    """Draw the lattice after ``layer`` (0: latent, -1: data): orange cells have shrunk (denser), blue grown.

    A number beyond the first or last layer is clipped to it.
    """
    stages = data.sizes["stage"]
    stage = min(layer, stages - 1) if layer >= 0 else max(stages + layer, 0)
    sides = axes(
        "grid",
        [str(data[f"{side}_label"].values[stage]) for side in ("horizontal", "vertical")],
        data["window"].values[stage],
    )
    change = hv.Dimension(
        "grid_log_area", label="log area change", range=tuple(float(v) for v in data.attrs["color_limits"])
    )
    corners = [data[side].values[stage] for side in ("horizontal", "vertical")]
    values = data["log_area"].values[stage]
    if not values.size:
        corners, values = [_NOWHERE, _NOWHERE], np.full((1, 1), np.nan)
    return hv.QuadMesh(
        (*corners, values),
        sides,
        change,
        group="Grid",
        label=f"{data.attrs['title']}: {data['stage_name'].values[stage]}",
    )
