"""Recommended experiment for an inverse problem, derived from the problem and the number of simulations.

network     ensemble of regressed mixtures, which starts from the best linear fit, treats exchangeable blocks
            of y as sets and respects the bounds of x
width       units per layer: more for more simulations, fewer for more unknowns
members     networks in the ensemble: many narrow ones, or few wide ones
detail      scale of the first layer's initial weights, larger ones fit finer structure: grows with the
            density of the simulations, since few of them cannot tell structure from chance
steps       a number of passes over the simulations, within limits on both sides
folds       of few simulations every network leaves out a tenth; the best weights, and how far the networks
            are trusted beside broad normal distributions, are chosen by the rows that they have not seen
stopping    validation from the start on; the best weights are kept, and the initial ones where none are
            significantly better
Nothing here depends on the identity of a problem. Properties that differ (bounds, units, tails of y, blocks
of y whose order carries no information, the variance of x that a linear fit explains) are estimated by the
network's own initialisation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError

if TYPE_CHECKING:
    from workbench.problems.base import Problem

_FEWEST_STEPS, _MOST_STEPS, _PASSES = 600, 20_000, 52
#: Simulations for each unit of a layer and each unknown; least and largest width of a layer; sum of the
#: networks' widths; largest number of networks.
_ROWS, _LEAST_WIDTH, _MOST_WIDTH, _UNITS, _MOST_MEMBERS = 20, 64, 128, 640, 6
#: Weight decay: for many simulations of more unknowns than `_PLANE`, whose posteriors they fill sparsely, and
#: otherwise, where it would blur detail.
_STRONG_DECAY, _WEAK_DECAY, _PLANE = 1e-1, 1e-4, 2
#: Few simulations: number of networks, each of which leaves out one of as many folds; least and largest
#: number of steps, and passes.
_FOLDS, _FEW_STEPS, _MOST_FEW_STEPS, _FEW_PASSES = 10, 1200, 3000, 120
#: Decay of the moving average of their weights.
_AVERAGING = 0.99
#: Ratio of the setting ``detail`` to the number of simulations along each dimension, and its limits.
_DETAIL, _LEAST_DETAIL, _MOST_DETAIL = 0.4, 1.0, 3.0


def recommended(problem: Problem, simulations: int) -> dict[str, Any]:
    """Return the arguments architecture, objective, training and steps of an `Experiment` on ``problem``.

    Raises `IncompatibleError` for a problem without an observation.
    """
    if Capability.OBSERVATION not in problem.capabilities:
        raise IncompatibleError(
            "The recommended experiment is for inverse problems",
            expected=f"a problem that {Capability.OBSERVATION.sentence}",
            found=f"'{problem.key}'",
        )
    many = simulations >= 4000
    # what belongs together, or gets new noise in every batch, does not stay on one side of the folds
    apart = Capability.SIGNAL in problem.capabilities or bool(getattr(problem, "group", ""))
    cross_fit = not many and not apart
    batch = 2 ** round(math.log2(min(max(simulations / 40, 32), 1024)))
    passes = _PASSES * min(1.0, (10_000 / simulations) ** 0.5)
    steps = int(min(max(passes * simulations / batch, _FEWEST_STEPS), _MOST_STEPS))
    unknowns, observations = len(problem.x), len(problem.y)
    width = 2 ** round(math.log2(simulations / (_ROWS * unknowns)))
    width = min(max(width, _LEAST_WIDTH), _MOST_WIDTH) if many else _LEAST_WIDTH // 2
    along = simulations ** (1 / (unknowns + observations))
    detail = min(max(_DETAIL * along, _LEAST_DETAIL), _MOST_DETAIL)
    members = min(_UNITS // width, _MOST_MEMBERS)
    width = min(max(width, unknowns), 1024)  # each unknown has a unit of its own
    architecture = {"members": members, "width": width, "detail": round(detail, 2)}
    if cross_fit:
        architecture |= {"members": _FOLDS, "folds": _FOLDS}
        steps = int(min(max(_FEW_PASSES * simulations / batch, _FEW_STEPS), _MOST_FEW_STEPS))
    training = {
        "samples": simulations,
        "batch_size": batch,
        "learning_rate": 2e-2 if cross_fit and unknowns == 1 else 1e-2,
        "optimiser": "adamw",
        "weight_decay": _STRONG_DECAY if many and unknowns > _PLANE else _WEAK_DECAY,
        "warm_up": steps // 10,
        "gradient_clip": 1.0,
        "validation_fraction": 0.05 if many or cross_fit else 0.1,
        "validate_every": max(10, steps // 60),
        "patience": 40 if cross_fit else 20,
        "averaging": _AVERAGING if cross_fit else 0.0,
        "measured": [],
    }
    return {
        "architecture": {"key": "regressed_mixtures", "settings": architecture},
        "objective": "maximum_likelihood",
        "training": training,
        "steps": steps,
    }
