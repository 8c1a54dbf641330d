"""Divergences between held-out data and model, measured during training, over the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, round_up
from workbench.training.history import MEASURED

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Record

#: Ends of the logarithmic axis.
LOWEST, HIGHEST = 1e-4, 1e1
#: Largest number of points of a curve.
POINTS = 500


@VIEWS.register
class Divergences(View):
    """View of the measured divergences; it reads the records of the history and no arrays."""

    key = "divergences"
    title = "Divergences"
    summary = "The divergences named in the training settings, measured on held-out data while it trains."
    position = 140
    over_time = True

    def applies(self, experiment: Experiment) -> bool:
        """Return True if the training settings name divergences to measure."""
        return bool(getattr(experiment.training, "measured", ()))

    def dataset(
        self,
        snapshot: SnapshotLike,
        *,
        pair: tuple[int, int] = (0, 1),
        records: Sequence[Record] | None = None,
        steps: int = 0,
    ) -> xr.Dataset:
        """Return ``value`` (divergence, point) over ``iteration`` (point,); NaN where one was not measured.

        Parameters as in `Losses.dataset`. An unbiased estimate may be negative: the plot draws it at the
        lower end.
        """
        records = snapshot.records if records is None else records
        evaluations = [
            (
                r.iteration,
                {k.removeprefix(MEASURED): v for k, v in r.validation.items() if k.startswith(MEASURED)},
            )
            for r in records
        ]
        evaluations = [(iteration, values) for iteration, values in evaluations if values]
        evaluations = evaluations[:: -(-len(evaluations) // POINTS) or 1]
        names = list(dict.fromkeys(name for _, values in evaluations for name in values))
        table = np.array(
            [[values.get(name, np.nan) for _, values in evaluations] for name in names], dtype=np.float64
        ).reshape(len(names), len(evaluations))
        last = max((r.iteration for r in records), default=0)
        steps = steps or snapshot.steps
        return xr.Dataset(
            {
                "value": (("divergence", "point"), table, {"long_name": "divergence"}),
                "iteration": ("point", np.array([i for i, _ in evaluations], dtype=np.float64)),
            },
            coords={"divergence": ("divergence", np.asarray(names or [""], dtype=str)[: len(names)])},
            attrs=common_attrs(snapshot, "divergences", "Measured divergences")
            | {
                "horizontal_label": "iteration",
                "vertical_label": "held out, each in its own units",
                "horizontal_window": [0.0, max(float(steps), last if steps else round_up(max(last, 10)))],
                "vertical_window": [float(np.log10(LOWEST)), float(np.log10(HIGHEST))],
            },
        )
