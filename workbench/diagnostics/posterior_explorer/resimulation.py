"""Posterior predictive band: quantiles of observations simulated from posterior draws, per component of y.

The band is in the unit of y; where the components have different units, each is standardised with the mean
and standard deviation of the training data. There is no verdict: a wide band may be right (noise), but a
narrow one that misses the observation never is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch
from workbench.core.scale import array_scale

if TYPE_CHECKING:
    import xarray as xr

    from workbench.diagnostics.posterior_explorer.training_summary import TrainingSummary
    from workbench.problems import Problem

#: Number of draws that are simulated from: while the observation moves, and once it has stopped.
FEW, MOST = 200, 400
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def resimulate(
    problem: Problem, draws: np.ndarray, observation: tuple[float, ...], training: TrainingSummary
) -> xr.Dataset | None:
    """Simulate an observation from each of posterior draws (n, D), clipped to the bounds of x.

    Returns
    -------
    A Dataset: ``again`` (again_draw, component), the simulated observations in data units; ``band`` (level,
    component), their quantiles, and ``observed`` (component), both after subtraction of ``middle`` and
    division by ``scale``; ``outside``, the fraction of components whose observed value is outside the 90 %
    band. None where the simulator raises a `WorkbenchError` or returns no finite values.
    """
    import xarray as xr

    x = np.clip(draws, [v.low for v in problem.x], [v.high for v in problem.x])
    try:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(11)
            again = problem.simulate(torch.as_tensor(x), generator).double().numpy()
    except WorkbenchError:
        return None
    again = again[np.isfinite(again).all(1)]
    if not len(again):
        return None
    y, values = problem.y, np.asarray(observation)
    band = np.quantile(again, LEVELS, axis=0)
    outside = (values < band[0]) | (values > band[-1])
    one_unit = len({v.unit for v in y}) == 1
    middle, scale = np.zeros(len(y)), np.ones(len(y))
    if not one_unit and len(training.y):
        middle, scale = training.y.mean(0), array_scale(training.y)
    label = (y[0].unit or "y") if one_unit else "y, in units of its spread"
    low, high = np.asarray(training.observation_window, dtype=float).T
    low, high = ((low - middle) / scale).min(), ((high - middle) / scale).max()
    return xr.Dataset(
        {
            "again": (("again_draw", "component"), again),
            "band": (("level", "component"), (band - middle) / scale),
            "observed": ("component", (values - middle) / scale),
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
