"""The recommended experiment for an inverse problem, read off the problem and the number of simulations.

network     the ensemble of regressed spline flows, which begins at the best linear answer and reads
            sets as sets
width       more where there are more simulations to learn it from
steps       as many passes over the simulations as pay, within limits on both sides
stopping    validation from the start on; the best weights are kept, and the start where nothing is
            better than it beyond chance
Nothing here knows a problem's name. What differs between problems (bounds, units, tails of y, blocks of y
whose order says nothing, how much of x a straight line explains) is measured by the network's own start.
"""

from __future__ import annotations

import math
from typing import Any

from workbench.core import capability
from workbench.core.errors import IncompatibleError

_FEWEST_STEPS, _MOST_STEPS, _PASSES = 600, 20_000, 54


def recommended(problem: Any, simulations: int) -> dict[str, Any]:
    """Architecture, objective, training and steps of an `Experiment` on ``problem``.

    Raises `IncompatibleError` for a problem without an observation.
    """
    if capability.OBSERVATION not in problem.capabilities:
        raise IncompatibleError(
            "The recommended experiment is for inverse problems",
            expected=f"a problem that {capability.SENTENCES[capability.OBSERVATION]}",
            found=f"'{problem.key}'",
        )
    many = simulations >= 4000
    batch = 2 ** round(math.log2(min(max(simulations / 40, 32), 1024)))
    passes = _PASSES * min(1.0, (10_000 / simulations) ** 0.5)
    steps = int(min(max(passes * simulations / batch, _FEWEST_STEPS), _MOST_STEPS))
    architecture = {"members": 3, "transforms": 2, "width": 128 if many else 64, "bins": 16 if many else 8}
    training = {
        "samples": simulations,
        "batch_size": batch,
        "learning_rate": 5e-3,
        "optimiser": "adamw",
        "weight_decay": 1e-4,
        "warm_up": steps // 10,
        "validation_fraction": 0.05 if many else 0.1,
        "validate_every": max(10, steps // 60),
        "patience": 20,
        "measured": [],
    }
    return {
        "architecture": {"key": "regressed_ensemble", "settings": architecture},
        "objective": "maximum_likelihood",
        "training": training,
        "steps": steps,
    }
