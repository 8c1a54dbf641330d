"""Progress of a network's inversion: points in the plane of two inputs, over level sets of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import SpecError

if TYPE_CHECKING:
    import xarray as xr

#: log₁₀ of the misfit at full colour, and of that at which the colour vanishes.
COLOUR_LIMITS = (-1.5, 0.5)
#: Number of recorded iterations in the trail behind a point.
TRAIL = 12


@public
def search(inversion: xr.Dataset, *, frame: int = -1) -> xr.Dataset:
    """Return one recorded iteration of an inversion as a Dataset for its plot.

    Parameters
    ----------
    inversion : the Dataset that `invert` returns.
    frame : index of the recorded iteration; negative ones count from the end.

    Returns
    -------
    A Dataset with horizontal and vertical positions: ``near_*`` of points that have reached the target,
    ``away_*`` of the others, ``trail_*`` of the preceding steps of methods whose points move (NaN between
    trails), ``level_*`` of the lines on which one component of the network's output equals its target;
    ``closeness`` (vertical, horizontal) is log₁₀ of the misfit. With more than two inputs, lines and misfit
    are those on the plane through the best point.

    Raises `SpecError` for a network with one input and for an index out of range.
    """
    import xarray as xr

    if inversion.sizes["input"] < 2:
        raise SpecError(
            "A search is drawn over two inputs", expected="a network of two inputs or more", found="1"
        )
    moments = inversion.sizes["moment"]
    if not -moments <= frame < moments:
        raise SpecError("There is no such moment", expected=f"0 to {moments - 1}", found=str(frame))
    frame %= moments
    columns = [int(i) for i in np.atleast_1d(inversion.attrs["pair"])]
    path = inversion["x"].values[:, :, columns]
    near = inversion["misfit"].values[frame] <= inversion.attrs["tolerance"]
    trail = _trails(path[max(0, frame - TRAIL) : frame + 1]) if inversion.attrs["moves"] else np.empty((0, 2))
    closeness, lines = _levels(inversion)
    clouds = {"near": path[frame][near], "away": path[frame][~near], "trail": trail, "level": lines}
    sides = ("horizontal", "vertical")
    labels = [str(inversion["input_label"].values[i]) for i in columns]
    window = inversion["window"].values[columns]
    plane = "; the lines are those of the plane through the best point" if inversion.attrs["slice"] else ""
    return xr.Dataset(
        {
            f"{name}_{side}": (f"{name}_point", cloud[:, i])
            for name, cloud in clouds.items()
            for i, side in enumerate(sides)
        }
        | {"closeness": (("vertical", "horizontal"), closeness, {"long_name": "log₁₀ misfit"})},
        coords={side: (side, inversion[side].values) for side in sides},
        attrs={
            "view": "search",
            "title": f"{int(near.sum())} of {len(near)} points have reached the target{plane}",
            "iteration": int(inversion["moment"].values[frame]),
            "color_limits": list(COLOUR_LIMITS),
        }
        | {f"{side}_label": label for side, label in zip(sides, labels, strict=True)}
        | {f"{side}_window": [float(v) for v in row] for side, row in zip(sides, window, strict=True)},
    )


def _trails(path: np.ndarray) -> np.ndarray:
    """Convert the paths (T, n, 2) of n points to one line (n (T + 1), 2), with a NaN row after each path."""
    lines = np.concatenate([path, np.full((1, *path.shape[1:]), np.nan)])
    return lines.transpose(1, 0, 2).reshape(-1, 2)


def _levels(inversion: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return log₁₀ of the misfit on the plotted plane, and the lines on which an output equals its target.

    The misfit (vertical, horizontal) is the root mean square over the outputs of (output - target) / scale,
    and its logarithm is clipped to `COLOUR_LIMITS`; there is a set of lines for each output, all in one array
    (k, 2) with NaN rows between them.
    """
    import contourpy

    surface, gap = inversion["surface"].values, np.full((1, 2), np.nan)
    excess = (surface - inversion["target"].values) / inversion["scale"].values
    pieces = [
        piece
        for component in np.moveaxis(excess, -1, 0)
        for line in contourpy.contour_generator(
            inversion["horizontal"].values, inversion["vertical"].values, component
        ).lines(0.0)
        for piece in (line, gap)
    ]
    misfit = np.sqrt((excess**2).mean(-1))
    closeness = np.clip(np.log10(np.maximum(misfit, 1e-12)), *COLOUR_LIMITS)
    return closeness, np.concatenate(pieces) if pieces else np.empty((0, 2))
