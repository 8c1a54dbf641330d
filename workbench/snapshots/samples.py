"""Data beside the model's samples, for one pair of variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import to_data_units
from workbench.snapshots.labelling import axis_attrs, cloud, common_attrs, pair_axes, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Run


@VIEWS.register
class Samples(View):
    """View of data and samples.

    Arrays data_x (N, D), data_y (N, M) and samples_x (N, D), all in data units.
    """

    key = "samples"
    title = "Samples"
    summary = "Data beside what the network draws."
    parts = ("samples",)
    takes_pair = True

    def position_for(self, experiment: Experiment) -> int:
        """Return the position on a page: first, or for an inverse problem after views of the posterior."""
        return 110 if experiment.problem.shapes.y else 0

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute samples of the model at the run's fixed latents and observations.

        Returns, in data units and row by row: ``data_x`` (n, D) and ``data_y`` (n, M), the run's evaluation
        points (M is 0 for a problem without y), and ``samples_x`` (n, D), the model's x for the same y and a
        fixed latent z.
        """
        points = run.evaluation_points
        x, _ = run.model.inverse(points.z, points.y)
        y = (
            np.zeros((len(points.x), 0))
            if points.y is None
            else run.data.standardisation.y_out(points.y.cpu()).numpy()
        )
        return {"data_x": to_data_units(run, points.x), "data_y": y, "samples_x": to_data_units(run, x)}

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return a pair of variables of the data, ``data_*``, and of the model's samples, ``model_*``."""
        axes = pair_axes(snapshot.x, snapshot.window, pair, "x")
        finite = np.isfinite(rows(snapshot, "samples_x")).all(1)
        title = "Data and samples"
        if not finite.all():
            title += f" · {int((~finite).sum())} of {len(finite)} samples are not finite and left out"
        return xr.Dataset(
            {
                **cloud("data", rows(snapshot, "data_x"), *axes),
                **cloud("model", rows(snapshot, "samples_x")[finite], *axes),
            },
            attrs=common_attrs(snapshot, "samples", title) | axis_attrs(*axes),
        )
