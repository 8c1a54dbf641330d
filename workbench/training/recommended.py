"""The recommended experiment for an inverse problem, read off the problem and the number of simulations.

network     the ensemble of regressed mixtures, which begins at the best linear answer, reads sets as sets
            and keeps to bounds
width       more where there are more simulations to learn it from, and fewer unknowns to share them
members     more narrow networks, or fewer wide ones
detail      more where simulations lie closer to each other: they can tell it from chance
steps       as many passes over the simulations as pay, within limits on both sides
stopping    validation from the start on; the best weights are kept, and the start where nothing is
            better than it beyond chance
Nothing here knows a problem's name. What differs between problems (bounds, units, tails of y, blocks of y
whose order says nothing, how much of x a straight line explains) is measured by the network's own start.
"""

from __future__ import annotations

import math
from typing import Any

from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError

_FEWEST_STEPS, _MOST_STEPS, _PASSES = 600, 20_000, 52
#: Simulations to a unit of a layer and to an unknown; units of a layer, of all members' layers; members.
_ROWS, _LEAST_WIDTH, _MOST_WIDTH, _UNITS, _MOST_MEMBERS = 40, 64, 128, 640, 6
#: The networks' first detail against the number of simulations along each of all directions, and its limits.
_DETAIL, _LEAST_DETAIL, _MOST_DETAIL = 0.4, 1.0, 3.0


def recommended(problem: Any, simulations: int) -> dict[str, Any]:
    """Architecture, objective, training and steps of an `Experiment` on ``problem``.

    Raises `IncompatibleError` for a problem without an observation.
    """
    if Capability.OBSERVATION not in problem.capabilities:
        raise IncompatibleError(
            "The recommended experiment is for inverse problems",
            expected=f"a problem that {Capability.OBSERVATION.sentence}",
            found=f"'{problem.key}'",
        )
    many = simulations >= 4000
    batch = 2 ** round(math.log2(min(max(simulations / 40, 32), 1024)))
    passes = _PASSES * min(1.0, (10_000 / simulations) ** 0.5)
    steps = int(min(max(passes * simulations / batch, _FEWEST_STEPS), _MOST_STEPS))
    unknowns, observed = len(problem.x), len(problem.y)
    width = 2 ** round(math.log2(simulations / (_ROWS * unknowns)))
    width = min(max(width, _LEAST_WIDTH), _MOST_WIDTH) if many else _LEAST_WIDTH // 2
    along = simulations ** (1 / (unknowns + observed))
    detail = min(max(_DETAIL * along, _LEAST_DETAIL), _MOST_DETAIL)
    members = min(_UNITS // width, _MOST_MEMBERS)
    width = min(max(width, unknowns), 1024)  # each unknown has a unit of its own
    architecture = {"members": members, "width": width, "detail": round(detail, 2)}
    training = {
        "samples": simulations,
        "batch_size": batch,
        "learning_rate": 1e-2,
        "optimiser": "adamw",
        "weight_decay": 1e-4,
        "warm_up": steps // 10,
        "gradient_clip": 1.0,
        "validation_fraction": 0.05 if many else 0.1,
        "validate_every": max(10, steps // 60),
        "patience": 20,
        "measured": [],
    }
    return {
        "architecture": {"key": "regressed_mixtures", "settings": architecture},
        "objective": "maximum_likelihood",
        "training": training,
        "steps": steps,
    }
