"""The robot arm of the inverse kinematics problem in the poses that the posterior proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View
from workbench.snapshots.labelling import common_attrs, rows

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment

#: Largest number of poses that are shown; more would hide each other.
ARMS = 100
#: Plotted ranges in metres: the published one horizontally, room for most targets of the prior vertically.
WINDOW = ((-0.35, 2.25), (-1.9, 1.9))


@VIEWS.register
class Arm(View):
    """View of a robot arm in the poses that the posterior proposes.

    Reads the arrays arm and, where known, arm_reference: (poses, joints, 2), horizontal and vertical
    position.
    """

    key = "arm"
    title = "Arm"
    summary = "The robot arm in the poses that the posterior proposes."
    parts = ("posterior",)
    position = 30

    def applies(self, experiment: Experiment) -> bool:
        """Return True for an inverse problem that has an arm."""
        return bool(experiment.problem.shapes.y) and hasattr(experiment.problem, "arm")

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return joint positions ``model_*`` and ``reference_*`` (pose, joint), rail to hand, and the target.

        ``target`` is where the hand should be. ``pair`` is ignored.
        """
        # other problems have observations too, and no arm
        target = rows(snapshot, "observation" if "arm" in snapshot.arrays else "arm").reshape(-1)[:2]
        return xr.Dataset(
            {
                **_joints(snapshot, "model", "arm"),
                **_joints(snapshot, "reference", "arm_reference"),
                "target": ("side", target if target.size == 2 else np.full(2, np.nan)),
            },
            coords={"side": ["horizontal", "vertical"]},
            attrs=common_attrs(snapshot, "arm", "Arms that reach the target")
            | {
                "horizontal_label": "horizontal [m]",
                "vertical_label": "vertical [m]",
                "horizontal_window": list(WINDOW[0]),
                "vertical_window": list(WINDOW[1]),
            },
        )


def _joints(snapshot: SnapshotLike, prefix: str, name: str) -> dict[str, Any]:
    poses = np.asarray(snapshot.arrays.get(name, np.empty((0, 4, 2))), dtype=np.float64)[:ARMS]
    return {
        f"{prefix}_{side}": ((f"{prefix}_pose", f"{prefix}_joint"), poses[..., i], {"long_name": side})
        for i, side in enumerate(("horizontal", "vertical"))
    }
