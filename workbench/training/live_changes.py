"""What may change while a run goes on: live settings, the planned steps, and the objective as a whole."""

from __future__ import annotations

from typing import Any

import torch

from workbench.core.errors import SpecError, did_you_mean
from workbench.core.spec import Spec
from workbench.objectives.base import Context
from workbench.training.optimisation import critic_optimiser, make_average

LIVE_PARTS = ("training", "objective")


def change_setting(run, name: str, value: Any) -> None:
    """``learning_rate``, ``objective.weight_z``, ``steps``, or ``objective`` with a key or a table."""
    if name == "objective":
        change_objective(run, value)
        return
    if name == "steps":
        run.experiment = run.experiment.replace(steps=value)
        run.finished = run.finished and run.iteration >= value
        return
    part, dot, setting = name.partition(".")
    if not dot:
        setting = name
        part = next(
            (p for p in LIVE_PARTS if name in {s.name for s in getattr(run.experiment, p).settings()}),
            "",
        )
    live = {f"{p}.{s}" for p in LIVE_PARTS for s in getattr(run.experiment, p).live} | {"steps", "objective"}
    if f"{part}.{setting}" not in live:
        raise SpecError(
            f"'{name}' cannot be changed while a run goes on",
            expected=", ".join(sorted(live)),
            found=name,
            suggestion=did_you_mean(name, [entry.partition(".")[2] for entry in live])
            or (
                "give the run another objective as a whole"
                if part == "objective"
                else "reset and start a new run with it"
            ),
        )
    getattr(run.experiment, part).set(setting, value)


def change_objective(run, objective: str | Spec | dict) -> None:
    """Train on with another objective; refused, with nothing changed, where it does not fit.

    The network, its optimiser's moments, the schedule and the history stay. A critic starts anew, since its
    logits mean something else for each divergence; so do the best validation loss and the non-finite guard's
    last good state, which belong to the old objective.
    """
    changed = run.experiment.replace(objective=objective)
    changed.check()
    # a copy, so that later changes to what was handed in do not bend this run
    changed = changed.replace(objective=changed.objective.copy())
    before, run.experiment = run.experiment.objective, changed
    run.objectives += 1
    build_loss(run)
    run.best_loss, run.best_iteration, run.best_state, run._stale = float("inf"), 0, None, 0
    run.start = None  # what was reached on the way is no start to be kept
    if run.stopped_early:
        run.finished, run.stopped_early = run.iteration >= changed.steps, False
    run.guard.good = {}
    run.guard.keep(run.iteration)
    run.events.append(
        {
            "kind": "objective",
            "iteration": run.iteration,
            "objective": described(changed.objective),
            "message": f"From iteration {run.iteration} on: {said(changed.objective)} instead of "
            f"{said(before)}.",
        }
    )


def restore_objective(run, state: dict[str, Any]) -> None:
    """Before a state is loaded: the loss that it was saved with."""
    run.objectives = state.get("objectives", 0)
    saved = state.get("objective")
    if saved and saved != described(run.experiment.objective):
        run.experiment = run.experiment.replace(objective=saved)
        build_loss(run)
        run.start = None


def described(objective: Spec) -> dict[str, Any]:
    """As it stands in an experiment's file."""
    return {"key": objective.key, "settings": objective.values()}


def said(objective: Spec) -> str:
    """Title and what differs from the defaults, for a message."""
    changed = ", ".join(f"{name} {value}" for name, value in objective.changed().items())
    return f"{objective.title} ({changed})" if changed else objective.title


def build_loss(run) -> None:
    """Loss, critic and its optimiser for the run's objective; the guard watches them from now on.

    The initial weights of a critic follow from the seed and from how often the objective was changed.
    """
    s = run.data.standardisation
    known = [t.to(run.device, run.dtype) for t in (s.shift_x, s.scale_x, s.shift_y, s.scale_y)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.experiment.seed + 1000 * run.objectives)
        run.loss = run.experiment.objective.build(
            run.model, Context(run.problem, run.problem.shapes, *known)
        ).to(run.device, run.dtype)
    watched = {**run.guard.watched, "loss": run.loss}
    watched.pop("critic_optimiser", None)
    run.critic_optimiser = None
    if run.loss.critic is not None:
        rate = run.experiment.objective.critic_learning_rate
        run.critic_optimiser = critic_optimiser(run.loss.critic.parameters(), rate)
        watched["critic_optimiser"] = run.critic_optimiser
    keep_average(run, watched)
    run.guard.watched = watched


def keep_average(run, watched: dict[str, Any]) -> None:
    """The average of the weights goes on with the new objective's decay, begins here, or ends."""
    if run.average is None or run.averaging == 0:
        run.average = make_average(run.model, run.averaging)
    else:
        run.average.decay = run.averaging
    watched.pop("average", None)
    if run.average is not None:
        watched["average"] = run.average
