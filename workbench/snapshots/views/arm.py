"""The robot arm of the inverse kinematics problem, in every pose that the posterior proposes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs, rows

#: So many poses are drawn; more would be a blot.
ARMS = 100
#: Metres: the published horizontal range, and vertically room for most targets of the prior.
WINDOW = ((-0.35, 2.25), (-1.9, 1.9))


def arm(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Joints ``model_*`` and ``reference_*`` (arm, joint) from the rail to the hand, and the target hand
    position.

    Snapshot arrays ``arm`` and, where known, ``arm_reference``: (poses, joints, 2) with horizontal, vertical.
    ``pair`` is accepted so that every view is called alike.
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


def _joints(snapshot: Any, prefix: str, name: str) -> dict[str, Any]:
    found = snapshot.arrays.get(name)
    poses = np.empty((0, 4, 2)) if found is None else np.asarray(found, dtype=np.float64)[:ARMS]
    return {
        f"{prefix}_{side}": ((f"{prefix}_pose", f"{prefix}_joint"), poses[..., i], {"long_name": side})
        for i, side in enumerate(("horizontal", "vertical"))
    }
