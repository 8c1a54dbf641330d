"""One moment of a search for the inputs of a network, over its level sets."""

from __future__ import annotations

import contourpy
import numpy as np
import xarray as xr

from workbench.core.errors import SpecError

#: log₁₀ of the misfits that are full colour and no colour.
COLOUR_LIMITS = (-1.5, 0.5)
#: A point's trail goes back so many moments.
TRAIL = 12


def search(found: xr.Dataset, *, frame: int = -1) -> xr.Dataset:
    """The points of moment ``frame`` (counted from the end where it is negative) of what `invert` returned.

    ``near_*`` have reached the target, ``away_*`` have not; ``trail_*`` are the last steps of methods whose
    points move, broken by NaN; ``level_*`` are the lines on which one component of the network's output is
    the wanted one; ``closeness`` (vertical, horizontal) is log₁₀ of the misfit. With more than two inputs the
    lines are those of the plane through the best point, which the other points are not on.
    """
    if found.sizes["input"] < 2:
        raise SpecError(
            "A search is drawn over two inputs", expected="a network of two inputs or more", found="1"
        )
    moments = found.sizes["moment"]
    if not -moments <= frame < moments:
        raise SpecError("There is no such moment", expected=f"0 to {moments - 1}", found=str(frame))
    frame %= moments
    columns = [int(i) for i in np.atleast_1d(found.attrs["pair"])]
    path = found["x"].values[:, :, columns]
    near = found["misfit"].values[frame] <= found.attrs["tolerance"]
    trail = _trails(path[max(0, frame - TRAIL) : frame + 1]) if found.attrs["moves"] else np.empty((0, 2))
    closeness, lines = _levels(found)
    clouds = {"near": path[frame][near], "away": path[frame][~near], "trail": trail, "level": lines}
    sides = ("horizontal", "vertical")
    labels = [str(found["input_label"].values[i]) for i in columns]
    window = found["window"].values[columns]
    plane = "; the lines are those of the plane through the best point" if found.attrs["slice"] else ""
    return xr.Dataset(
        {
            f"{name}_{side}": (f"{name}_point", cloud[:, i])
            for name, cloud in clouds.items()
            for i, side in enumerate(sides)
        }
        | {"closeness": (("vertical", "horizontal"), closeness, {"long_name": "log₁₀ misfit"})},
        coords={side: (side, found[side].values) for side in sides},
        attrs={
            "view": "search",
            "title": f"{int(near.sum())} of {len(near)} points have reached the target{plane}",
            "iteration": int(found["moment"].values[frame]),
            "color_limits": list(COLOUR_LIMITS),
        }
        | {f"{side}_label": label for side, label in zip(sides, labels, strict=True)}
        | {f"{side}_window": [float(v) for v in row] for side, row in zip(sides, window, strict=True)},
    )


def _trails(path: np.ndarray) -> np.ndarray:
    """(T, n, 2) -> one line after the other with a NaN row after each: (n (T + 1), 2)."""
    lines = np.concatenate([path, np.full((1, *path.shape[1:]), np.nan)])
    return lines.transpose(1, 0, 2).reshape(-1, 2)


def _levels(found: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    surface, gap = found["surface"].values, np.full((1, 2), np.nan)
    excess = (surface - found["target"].values) / found["scale"].values
    pieces = [
        piece
        for component in np.moveaxis(excess, -1, 0)
        for line in contourpy.contour_generator(
            found["horizontal"].values, found["vertical"].values, component
        ).lines(0.0)
        for piece in (line, gap)
    ]
    misfit = np.sqrt((excess**2).mean(-1))
    closeness = np.clip(np.log10(np.maximum(misfit, 1e-12)), *COLOUR_LIMITS)
    return closeness, np.concatenate(pieces) if pieces else np.empty((0, 2))
