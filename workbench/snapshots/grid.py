"""A square lattice in latent space, and its images after each layer of the network, up to the data space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import repeat_observation, to_data_units, to_numpy
from workbench.snapshots.labelling import common_attrs, pair_axes, subscript

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Run

#: The colour scale ends at ± this log(area of a cell / its area in latent space), in nats.
LOG_AREA_LIMIT = 3.0
#: Plotted range of the latents divided by the width of the lattice.
MARGIN = 1.4
_EITHER = frozenset({Capability.LATENT, Capability.EVIDENCE})


@VIEWS.register
class Grid(View):
    """View of a latent lattice that the layers warp.

    Array grid (L, G, G, 2): the lattice after each layer, latent first, data (in data units) last.
    """

    key = "grid"
    title = "Layers"
    summary = "A latent lattice, and how each layer of the network warps it towards the data."
    parts = ("grid",)
    needs_model = frozenset({Capability.LATENT})  # or an encoder, see `applies`
    position = 70

    def applies(self, experiment: Experiment) -> bool:
        """Return True for a problem with two or more variables x and a model with latents or an encoder."""
        return experiment.problem.shapes.x >= 2 and bool(_EITHER & experiment.architecture.capabilities)

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Map the lattice through the layers; keep the first two variables of each."""
        model = run.model
        if model.features < 2 or model.latent_features < 2 or not _EITHER & model.capabilities:
            return {}
        lattice = run.evaluation_points.lattice
        stages = model.stages(lattice, repeat_observation(run, context.observation, len(lattice)))
        layers = [to_numpy(stage[:, :2]) for stage in stages[:-1]] + [to_data_units(run, stages[-1])[:, :2]]
        side = round(len(lattice) ** 0.5)
        return {"grid": np.stack(layers).reshape(len(layers), side, side, 2)}

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return the lattice at every stage, and how much each of its cells has grown.

        Corners ``horizontal`` and ``vertical`` (stage, row, column), and ``log_area`` (stage, cell_row,
        cell_column). Stage 0 is latent, the last is data in its own units, those between are in standardised
        units. ``window`` (stage, axis, bound) is the plotted range of each stage. Areas are fractions of that
        range, so that units drop out: ``log_area`` = log(area of the cell / its area at stage 0) in nats; for
        two variables, the loss in log-density of the cell. ``pair`` is ignored: a lattice always shows the
        first two variables.
        """
        corners = np.asarray(snapshot.arrays.get("grid", np.empty((1, 0, 0, 2))), dtype=np.float64)
        stages = len(corners)
        reach = float(np.abs(corners[0]).max()) * MARGIN if corners[0].size else 3.0 * MARGIN
        window = np.tile([[-reach, reach]], (stages, 2, 1))
        labels = [("z" + subscript(i), *[f"coordinate {i}"] * (stages - 2)) for i in (1, 2)]
        if stages > 1:
            axes = pair_axes(snapshot.x, snapshot.window, (0, 1), "x")
            window[-1] = [[a.low, a.high] for a in axes]
            labels = [(*names, a.label) for names, a in zip(labels, axes, strict=True)]
        names = ["latent", *(f"after layer {i}" for i in range(1, stages - 1)), "data"][:stages]
        return xr.Dataset(
            {
                "horizontal": (("stage", "row", "column"), corners[..., 0]),
                "vertical": (("stage", "row", "column"), corners[..., 1]),
                "log_area": (
                    ("stage", "cell_row", "cell_column"),
                    _log_area(corners, window),
                    {"long_name": "log area change", "units": "nats"},
                ),
                "window": (("stage", "axis", "bound"), window),
            },
            coords={
                "stage_name": ("stage", np.asarray(names)),
                "horizontal_label": ("stage", np.asarray(labels[0])),
                "vertical_label": ("stage", np.asarray(labels[1])),
            },
            attrs=common_attrs(snapshot, "grid", "Latent grid")
            | {"color_limits": [-LOG_AREA_LIMIT, LOG_AREA_LIMIT]},
        )


def _log_area(corners: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return log(area of a cell / its area at stage 0), areas as fractions of the plotted range."""
    if corners.shape[1] < 2:
        return np.empty((len(corners), 0, 0))
    ring = np.stack([corners[:, :-1, :-1], corners[:, :-1, 1:], corners[:, 1:, 1:], corners[:, 1:, :-1]])
    following = np.roll(ring, -1, axis=0)
    area = 0.5 * np.abs((ring[..., 0] * following[..., 1] - following[..., 0] * ring[..., 1]).sum(0))
    share = area / np.prod(window[..., 1] - window[..., 0], axis=1)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.log(share / share[:1]), nan=0.0, posinf=99.0, neginf=-99.0)
