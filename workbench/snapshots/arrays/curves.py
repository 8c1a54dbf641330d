"""What the posterior says of a curve that was measured at some times, and the same folded at one period.

A problem that has ``curve(x, times)`` and ``nights`` (times, error bars) is drawn so; one that has
``physical`` with the period first and the velocity that all share sixth is folded as well.
"""

from __future__ import annotations

import numpy as np
import torch

from workbench.snapshots.arrays.common import numeric

#: Curves of so many draws, at so many places.
CURVES, PLACES = 300, 240
#: A little time before the first and after the last measurement.
_MARGIN = 0.04
#: Periods that are less than half a turn apart over all the nights are one answer, not two.
_IN_STEP = 0.5


def curves(problem, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays ``curve_*`` and ``fold_*`` beside ``observation``, ``posterior_x`` and ``reference_x``."""
    times, errors = (torch.tensor(part, dtype=torch.float64) for part in problem.nights)
    margin = _MARGIN * float(times[-1] - times[0])
    places = torch.linspace(float(times[0]) - margin, float(times[-1]) + margin, PLACES, dtype=torch.float64)
    draws = {"": torch.as_tensor(found["posterior_x"][:CURVES])}
    if "reference_x" in found:
        draws["_reference"] = torch.as_tensor(found["reference_x"][:CURVES])
    made = {"curve_at": places, "curve_times": times, "curve_errors": errors}
    made |= {f"curve{name}": problem.curve(x, places) for name, x in draws.items()}
    made |= _folded(problem, draws, torch.as_tensor(found["observation"]), times)
    return {name: numeric(value) for name, value in made.items()}


def _folded(problem, draws: dict[str, torch.Tensor], observation: torch.Tensor, times: torch.Tensor):
    """All at one period: of the most probable of those draws that keep step with the most others.

    It is looked for in the reference where there is one: the fold then stands still while the network learns.
    """
    known = draws.get("_reference", draws[""])
    turned = (times[-1] - times[0]) / problem.physical(known)[:, 0]
    in_step = (turned[:, None] - turned).abs() < _IN_STEP
    together = known[in_step[in_step.sum(1).argmax()]]
    likely = problem.log_joint(together, observation.expand(len(together), -1)).nan_to_num(-torch.inf)
    period, shared = problem.physical(together[likely.argmax()][None])[0, [0, 5]]
    middle, length = 0.5 * (times[0] + times[-1]), times[-1] - times[0]
    phases = torch.linspace(-0.5, 0.5, PLACES // 2, dtype=torch.float64)
    turns = (times - middle) / period
    made = {
        "fold_at": phases,
        "fold_phases": turns - turns.round(),
        "fold_observed": observation - shared,
        "fold_period": period,
    }
    for name, x in draws.items():
        own = problem.physical(x)
        near = (length / own[:, 0] - length / period).abs() < _IN_STEP
        kept = own[near]
        moments = middle + phases * kept[:, :1]
        made[f"fold{name}"] = problem.curve(x[near], moments) - kept[:, 5:6]
        made[f"fold{name}_share"] = near.double().mean()
    return made
