"""Draws of the posterior sent through the simulator again: a band around the observation.

Band      quantiles of every component of y, in its own unit, and in units of its spread over the training
          data where the components have different units.
Verdict   none: a wide band may be right (noise), a narrow one beside the observation never is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from workbench.core.errors import WorkbenchError

#: Draws that are simulated while the observation moves, and at rest.
FEW, MOST = 200, 400
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def resimulated(
    problem: Any, draws: np.ndarray, observation: tuple[float, ...], seen: Any
) -> xr.Dataset | None:
    """``again`` (again_draw, component) in data units, ``band`` (level, component) and ``observed``
    (component) as they are drawn, the share ``outside`` of components whose observation leaves the 90 %
    band; what is drawn at v is ``middle`` + ``scale`` v in data units (component). None where the simulator
    refuses every draw."""
    inside = np.clip(draws, [v.low for v in problem.x], [v.high for v in problem.x])
    try:
        with torch.no_grad():
            again = (
                problem.simulate(torch.as_tensor(inside), torch.Generator().manual_seed(11)).double().numpy()
            )
    except WorkbenchError:
        return None
    again = again[np.isfinite(again).all(1)]
    if not len(again):
        return None
    y, at = problem.y, np.asarray(observation)
    band = np.quantile(again, LEVELS, axis=0)
    outside = (at < band[0]) | (at > band[-1])
    one_unit = len({v.unit for v in y}) == 1
    middle, scale = np.zeros(len(y)), np.ones(len(y))
    if not one_unit and len(seen.y):
        middle, scale = seen.y.mean(0), np.where(seen.y.std(0) > 0, seen.y.std(0), 1.0)
    label = (y[0].unit or "y") if one_unit else "y, in units of its spread"
    low, high = np.asarray(seen.observation_window, dtype=float).T
    low, high = ((low - middle) / scale).min(), ((high - middle) / scale).max()
    return xr.Dataset(
        {
            "again": (("again_draw", "component"), again),
            "band": (("level", "component"), (band - middle) / scale),
            "observed": ("component", (at - middle) / scale),
            "outside": ((), float(outside.mean())),
            "middle": ("component", middle),
            "scale": ("component", scale),
        },
        coords={"component": [v.name for v in y], "level": list(LEVELS)},
        attrs={
            "label": f"[{label}]" if one_unit and y[0].unit else label,
            "window": [float(low), float(high)],
            "names": [v.symbol or v.name for v in y],
        },
    )
