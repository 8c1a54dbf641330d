"""Velocity curves of posterior draws over the time of the measurements, and folded at one orbital period.

For a problem that has ``curve(x, times)`` and ``nights`` (times, error bars), and whose ``physical(x)`` has
the period in column 0 and the systemic velocity in column 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.core.lazy import torch
from workbench.snapshots.conversions import to_numpy

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

#: Number of draws whose curves are computed, and of points along a curve.
CURVES, PLACES = 300, 240
#: Margin before the first and after the last measurement, as a fraction of the time between them.
_MARGIN = 0.04
#: Two periods count as equal if they differ by less than this many turns over the time of the measurements.
_IN_STEP = 0.5


def velocity_curves(problem: Any, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the arrays ``curve_*`` (over time) and ``fold_*`` (over phase) of posterior draws.

    ``arrays`` has ``observation`` (M,), ``posterior_x`` (n, D) and, where it is known, ``reference_x``.
    """
    times, errors = (torch.tensor(part, dtype=torch.float64) for part in problem.nights)
    margin = _MARGIN * float(times[-1] - times[0])
    places = torch.linspace(float(times[0]) - margin, float(times[-1]) + margin, PLACES, dtype=torch.float64)
    draws = {"": torch.as_tensor(arrays["posterior_x"][:CURVES])}
    if "reference_x" in arrays:
        draws["_reference"] = torch.as_tensor(arrays["reference_x"][:CURVES])
    tensors = {"curve_at": places, "curve_times": times, "curve_errors": errors}
    tensors |= {f"curve{name}": problem.curve(x, places) for name, x in draws.items()}
    tensors |= _folded(problem, draws, torch.as_tensor(arrays["observation"]), times)
    return {name: to_numpy(value) for name, value in tensors.items()}


def _folded(problem: Any, draws: dict[str, Tensor], observation: Tensor, times: Tensor) -> dict[str, Tensor]:
    """Fold all curves at one period; return the arrays ``fold_*``.

    The period is that of the most probable draw in the largest group of draws with nearly equal periods.
    Reference draws are grouped where there are any, so that the period does not change while the network
    learns.
    """
    candidates = draws.get("_reference", draws[""])
    turns = (times[-1] - times[0]) / problem.physical(candidates)[:, 0]
    in_step = (turns[:, None] - turns).abs() < _IN_STEP
    group = candidates[in_step[in_step.sum(1).argmax()]]
    log_joint = problem.log_joint(group, observation.expand(len(group), -1)).nan_to_num(-torch.inf)
    period, systemic = problem.physical(group[log_joint.argmax()][None])[0, [0, 5]]
    middle, length = 0.5 * (times[0] + times[-1]), times[-1] - times[0]
    phases = torch.linspace(-0.5, 0.5, PLACES // 2, dtype=torch.float64)
    turn = (times - middle) / period
    tensors = {
        "fold_at": phases,
        "fold_phases": turn - turn.round(),
        "fold_observed": observation - systemic,
        "fold_period": period,
    }
    for name, x in draws.items():
        elements = problem.physical(x)
        near = (length / elements[:, 0] - length / period).abs() < _IN_STEP
        nearby = elements[near]
        moments = middle + phases * nearby[:, :1]
        tensors[f"fold{name}"] = problem.curve(x[near], moments) - nearby[:, 5:6]
        tensors[f"fold{name}_share"] = near.double().mean()
    return tensors
