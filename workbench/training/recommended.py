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
categories  in x: MADE in place of that ensemble, with probabilities for them and mixtures for quantities
stopping    validation from the start on; the best weights are kept, and the initial ones where none are
            significantly better
Developed on the tasks of the study `posteriors`, some of whose parts it contains: its mixtures hold the
posterior of gaussian_mixture, sets of exchangeable blocks of y suit slcp, bounds two_moons_posterior. Results
on these tasks are no evidence for others. On eight tasks that took no part (study `recipe`, one training of
10,000 simulations each) the C2ST against exact draws was 0.51 to 0.57 on six, 0.74 on a time series and 0.72
on a seabed, whose losses were 0.9 and 1.0 nats above the optimum.

Nothing here depends on the identity of a problem. Properties that differ (bounds, units, tails of y, blocks
of y whose order carries no information, the variance of x that a linear fit explains) are estimated by the
network's own initialisation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError, WorkbenchError
from workbench.core.lazy import torch
from workbench.training.copies import copies

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
#: Held-out simulations that are aimed at, where the networks are not cross-fitted.
_HELD_OUT = 500
#: Decay of the moving average of their weights.
_AVERAGING = 0.99
#: Ratio of the setting ``detail`` to the number of simulations along each dimension, and its limits.
_DETAIL, _LEAST_DETAIL, _MOST_DETAIL = 0.4, 1.0, 3.0
#: Passes over the pairs where x holds categories, and largest number of rows that are searched for copies.
_CATEGORY_PASSES, _MOST_COUNTED = 40, 5_000_000


def recommended(problem: Problem, simulations: int) -> dict[str, Any]:
    """Return the arguments architecture, objective, training and steps of an `Experiment` on ``problem``.

    Raises `IncompatibleError` for a problem without an observation.
    """
    if Capability.OBSERVATION not in problem.capabilities:
        raise IncompatibleError(
            "The recommended experiment is for inverse problems",
            expected=f"a problem that {Capability.OBSERVATION.sentence}",
            found=f"'{problem.key}'",
            suggestion="name the columns that are observed as y" if hasattr(problem, "y_columns") else "",
        )
    simulations, distinct = _available(problem, simulations)
    if any(v.categories for v in problem.x):
        return _for_categories(distinct, simulations)
    rows, simulations = simulations, distinct  # copies tell a network nothing
    many = simulations >= 4000
    # what gets new noise in every batch does not stay on one side of the folds
    apart = Capability.SIGNAL in problem.capabilities
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
        "samples": rows,
        "batch_size": batch,
        "learning_rate": 2e-2 if cross_fit and unknowns == 1 else 1e-2,
        "optimiser": "adamw",
        "weight_decay": _STRONG_DECAY if many and unknowns > _PLANE else _WEAK_DECAY,
        "warm_up": steps // 10,
        "gradient_clip": 1.0,
        # enough rows to tell whether a network is better than the fit at its start
        "validation_fraction": 0.05 if cross_fit else min(max(_HELD_OUT / simulations, 0.05), 0.1),
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


def _available(problem: Problem, simulations: int) -> tuple[int, int]:
    """Return the number of pairs that are there where ``simulations`` are asked for, and of distinct ones."""
    try:
        rows = getattr(problem, "rows", None)
        if not isinstance(rows, int) or rows > _MOST_COUNTED:
            return (simulations, simulations) if not isinstance(rows, int) else (min(simulations, rows),) * 2
        samples = problem.draw(min(simulations, rows), torch.Generator().manual_seed(0))
    except WorkbenchError:  # a table that cannot be read yet
        return simulations, simulations
    labels = copies(samples, (*problem.x, *problem.y))
    return len(samples), len(samples) if labels is None else int(labels.max()) + 1


def _for_categories(simulations: int, rows: int) -> dict[str, Any]:
    """Return the arguments of an `Experiment` for ``simulations`` distinct pairs whose x holds categories."""
    few = simulations < 4000
    batch = 2 ** round(math.log2(min(max(simulations / 40, 32), 512)))
    steps = int(min(max(_CATEGORY_PASSES * simulations / batch, 800), 8000))
    return {
        "architecture": {
            "key": "made",
            "settings": {"width": 64 if few else 128, "components": 4 if few else 8, "activation": "silu"},
        },
        "objective": "maximum_likelihood",
        "training": {
            "samples": rows,
            "batch_size": batch,
            "learning_rate": 3e-3,
            "optimiser": "adamw",
            "weight_decay": 1e-2,
            "warm_up": steps // 20,
            "gradient_clip": 1.0,
            "validation_fraction": 0.2 if few else 0.1,
            "validate_every": max(10, steps // 80),
            "patience": 20,
            "averaging": _AVERAGING,
            "measured": [],
        },
        "steps": steps,
    }
