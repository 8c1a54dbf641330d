"""The model's density over a pair of variables, with the target's 50 % and 90 % highest-density regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import log_prob_in_data_units
from workbench.snapshots.labelling import Axis, axis, axis_attrs, common_attrs, pair_axes, round_up, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Run

#: Cells along each side of a histogram, and the standard deviation of its Gaussian blur in cells.
CELLS, BLUR = 96, 1.6
#: Probability of the target inside the contours.
SHARES = (0.5, 0.9)
_TITLES = {
    "density": "Density",
    "conditional": "Posterior density",
    "posterior": "Density of posterior draws",
    "samples": "Density of samples",
}


@VIEWS.register
class Density(View):
    """View of the model's density.

    Arrays density_x0, density_x1 (G,), density (G, G) with rows along x1, density_target if known.
    """

    key = "density"
    title = "Density"
    summary = "The network's density; the lines enclose 50 % and 90 % of the target's probability."
    parts = ("density", "samples")
    takes_pair = True

    def applies(self, experiment: Experiment) -> bool:
        """Return True for a problem with two or more variables x."""
        return experiment.problem.shapes.x >= 2

    def position_for(self, experiment: Experiment) -> int:
        """Return the position on a page: second, or for an inverse problem after views of the posterior."""
        return 100 if experiment.problem.shapes.y else 1

    def parts_for(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the keys of the snapshot parts, with ``posterior`` for an inverse problem."""
        return (*self.parts, "posterior") if experiment.problem.shapes.y else self.parts

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Evaluate model and target density on a grid; only for two variables x and a tractable density."""
        if run.model.features != 2 or Capability.DENSITY not in run.model.capabilities:
            return {}
        axis0, axis1 = run.evaluation_points.density_axes()
        points = torch.stack(torch.meshgrid(axis0, axis1, indexing="xy"), -1).reshape(-1, 2)
        log_density = log_prob_in_data_units(run, points, context.observation)
        arrays = {
            "density_x0": axis0.numpy(),
            "density_x1": axis1.numpy(),
            "density": np.exp(log_density).reshape(len(axis1), len(axis0)),
        }
        if not run.data.has_y and Capability.LOG_DENSITY in run.problem.capabilities:
            arrays["density_target"] = run.evaluation_points.target_density(run.problem, points)
        return arrays

    def dataset(
        self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1), of: str = "auto"
    ) -> xr.Dataset:
        """Return the density of one pair of variables, in 1/(unit · unit).

        ``model`` (vertical, horizontal) is the model's own density where it has one (two variables);
        otherwise a smoothed histogram of its posterior draws, or of its samples. ``contour_*`` are lines
        around the 50 % and 90 % highest-density regions of the target (its density, the reference posterior,
        or the data), separated by NaN.

        Parameters
        ----------
        of : "auto" as above; "samples" or "posterior": always a histogram of samples or of posterior draws.
        """
        axes = pair_axes(snapshot.x, snapshot.window, pair, "x")
        density = _evaluated_density(snapshot, axes) if of == "auto" else None
        source, model, target = density or _histograms(snapshot, axes, of)
        first, second = _centres(axes[0], model.shape[1]), _centres(axes[1], model.shape[0])
        if density is not None:
            first, second = (
                np.asarray(snapshot.arrays[f"density_x{a.column}"], dtype=np.float64) for a in axes
            )
        lines = _contours(first, second, target)
        scale = target if target is not None and target.max() > 0 else model
        limit = round_up(1.1 * float(scale.max())) if scale.size and scale.max() > 0 else 1.0
        units = [a.unit or "1" for a in axes]
        return xr.Dataset(
            {
                "model": (("vertical", "horizontal"), model, {"long_name": "density of the model"}),
                "contour_horizontal": ("vertex", lines[:, 0]),
                "contour_vertical": ("vertex", lines[:, 1]),
            },
            coords={
                "horizontal": ("horizontal", first, {"long_name": axes[0].label, "units": units[0]}),
                "vertical": ("vertical", second, {"long_name": axes[1].label, "units": units[1]}),
            },
            attrs=common_attrs(snapshot, "density", _TITLES[source])
            | axis_attrs(*axes)
            | {"source": source, "color_limits": [0.0, limit], "contour_shares": list(SHARES)},
        )


#: Key of `_TITLES` for the source, density of the model, and of the target or None (vertical, horizontal).
Densities = tuple[str, np.ndarray, np.ndarray | None]


def _evaluated_density(snapshot: SnapshotLike, axes: tuple[Axis, Axis]) -> Densities | None:
    """Return kind, model and target density on the snapshot's grid; None where it has none for this pair."""
    if "density" not in snapshot.arrays or {a.column for a in axes} != {0, 1}:
        return None
    model = np.nan_to_num(np.asarray(snapshot.arrays["density"], dtype=np.float64))
    target = snapshot.arrays.get("density_target")
    first, second = (axis(snapshot.x, snapshot.window, i, "x") for i in (0, 1))
    if target is not None:
        target = np.nan_to_num(np.asarray(target, dtype=np.float64))
    elif len(draws := rows(snapshot, "reference_x" if snapshot.y else "data_x", None)):
        target = histogram(draws, first, second, cells=len(model))
    if axes[0].column == 1:
        model, target = model.T, None if target is None else target.T
    return ("conditional" if snapshot.y else "density"), model, target


def _histograms(snapshot: SnapshotLike, axes: tuple[Axis, Axis], of: str) -> Densities:
    if of == "posterior" or (of == "auto" and "posterior_x" in snapshot.arrays):
        source, model, target = "posterior", "posterior_x", "reference_x"
    else:
        source, model, target = "samples", "samples_x", "data_x"
    draws, reference = rows(snapshot, model, None), rows(snapshot, target, None)
    return source, histogram(draws, *axes), histogram(reference, *axes) if len(reference) else None


def histogram(points: np.ndarray, horizontal: Axis, vertical: Axis, cells: int = CELLS) -> np.ndarray:
    """Return a smoothed histogram (vertical, horizontal) as a density: faster than a kernel estimate."""
    from scipy.ndimage import gaussian_filter

    if vertical.column is None or not len(points):
        return np.zeros((cells, cells))
    ranges = [[vertical.low, vertical.high], [horizontal.low, horizontal.high]]
    counts, _, _ = np.histogram2d(
        points[:, vertical.column], points[:, horizontal.column], bins=cells, range=ranges
    )
    area = np.prod([(high - low) / cells for low, high in ranges])
    return gaussian_filter(counts, BLUR) / (len(points) * area)


def _centres(axis: Axis, cells: int) -> np.ndarray:
    return axis.low + (np.arange(cells) + 0.5) * (axis.high - axis.low) / cells


def _contours(first: np.ndarray, second: np.ndarray, target: np.ndarray | None) -> np.ndarray:
    """Return the outlines (n, 2) of the highest-density regions, each followed by a row of NaN."""
    import contourpy

    if target is None or not target.max() > 0:
        return np.empty((0, 2))
    falling = np.sort(target, axis=None)[::-1]
    mass = np.cumsum(falling) / falling.sum()
    generator: Any = contourpy.contour_generator(first, second, target)
    gap = np.full((1, 2), np.nan)
    pieces = [
        piece
        for share in SHARES
        for line in generator.lines(falling[min(int(np.searchsorted(mass, share)), falling.size - 1)])
        for piece in (line, gap)
    ]
    return np.concatenate(pieces) if pieces else np.empty((0, 2))
