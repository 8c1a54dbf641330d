"""Changes to a run while it trains: live settings, the planned steps, and the objective as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from workbench.core.errors import SpecError, did_you_mean
from workbench.core.global_numbers import global_numbers
from workbench.core.spec import Spec
from workbench.training.optimisation import critic_optimiser, make_average

if TYPE_CHECKING:
    from workbench.objectives.base import Objective
    from workbench.objectives.variational import Variational
    from workbench.training.flat_adam import FlatAdam
    from workbench.training.run import Run

LIVE_PARTS = ("training", "objective")


def change_setting(run: Run, name: str, value: Any) -> None:
    """Change a live setting of the run, its planned ``steps``, or its ``objective`` as a whole.

    Settings are named as in ``learning_rate`` or ``objective.weight_z``; an objective is given as a key, a
    Spec or ``{"key": …, "settings": {…}}``.
    Raises `SpecError` for anything that cannot change during a run.
    """
    if name == "objective":
        change_objective(run, value)
        return
    if name == "steps":
        run.experiment = run.experiment.replace(steps=value)
        run.finished = run.finished and run.iteration >= value
        if not run.finished and run.stopped_early:  # else it would stop again after one step
            run.stopped_early, run._stale = False, 0
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
            suggestion=did_you_mean(name, [entry.partition(".")[2] for entry in sorted(live)])
            or (
                "give the run another objective as a whole"
                if part == "objective"
                else "reset and start a new run with it"
            ),
        )
    getattr(run.experiment, part).set(setting, value)


def change_objective(run: Run, objective: str | Spec | dict[str, Any]) -> None:
    """Continue training with another objective.

    The network, its optimiser's moments, the schedule and the history stay. A critic starts anew, since its
    logits have another meaning for each divergence; so do the best validation loss and the non-finite guard's
    last good state, which belong to the old objective. Raises `IncompatibleError`, and changes nothing, where
    the objective does not fit.
    """
    experiment = run.experiment.replace(objective=objective)
    experiment.check()
    # a copy, so that later changes to the caller's object do not affect this run
    experiment = experiment.replace(objective=experiment.objective.copy())
    previous, run.experiment = run.experiment.objective, experiment
    run.objectives += 1
    build_loss(run)
    run.best_loss, run.best_iteration, run.best_state, run._stale = float("inf"), 0, None, 0
    run.baseline = None  # the current weights are not a start from the data
    if run.stopped_early:
        run.finished, run.stopped_early = run.iteration >= experiment.steps, False
    run.guard.good = {}
    run.guard.keep(run.iteration)
    run.events.append(
        {
            "kind": "objective",
            "iteration": run.iteration,
            "objective": to_table(experiment.objective),
            "message": f"From iteration {run.iteration} on: {summarise(experiment.objective)} instead of "
            f"{summarise(previous)}.",
        }
    )


def restore_objective(run: Run, state: dict[str, Any]) -> None:
    """Rebuild the loss for the objective named in a checkpoint's ``state``, before this is loaded."""
    run.objectives = state.get("objectives", 0)
    objective = state.get("objective")
    if objective and objective != to_table(run.experiment.objective):
        run.experiment = run.experiment.replace(objective=objective)
        build_loss(run)
        run.baseline = None


def to_table(objective: Objective) -> dict[str, Any]:
    """Return ``{"key": …, "settings": {…}}`` of an objective, as in experiment.json."""
    return {"key": objective.key, "settings": objective.values()}


def summarise(objective: Objective) -> str:
    """Return an objective's title with the settings that differ from their defaults, for a message."""
    changes = ", ".join(f"{name} {value}" for name, value in objective.changed().items())
    return f"{objective.title} ({changes})" if changes else objective.title


def build_loss(run: Run) -> None:
    """Build loss, critic and critic optimiser of the run's objective, and register them with its guard.

    The initial weights of a critic follow from the seed and the number of changes of the objective.
    """
    with global_numbers(run.experiment.seed + 1000 * run.objectives):
        run.loss = run.experiment.objective.build(run.model, run.data.context()).to(run.device, run.dtype)
    run.critic_optimiser = make_critic_optimiser(run)
    parts = {**run.guard.parts, "loss": run.loss}
    parts.pop("critic_optimiser", None)
    if run.critic_optimiser is not None:
        parts["critic_optimiser"] = run.critic_optimiser
    update_average(run, parts)
    run.guard.parts = parts


def make_critic_optimiser(run: Run) -> FlatAdam | None:
    """Build the optimiser of the critic in the run's loss; None without a critic."""
    if run.loss.critic is None:
        return None
    objective = cast("Variational", run.experiment.objective)
    return critic_optimiser(run.loss.critic.parameters(), objective.critic_learning_rate)


def update_average(run: Run, parts: dict[str, Any]) -> None:
    """Continue, start or end the moving average of the weights, as `Run.averaging` requires.

    Where there is an average, it is also an entry of ``parts``, the objects that the non-finite guard copies.
    """
    if run.average is None or run.averaging == 0:
        run.average = make_average(run.model, run.averaging)
    else:
        run.average.decay = run.averaging
    parts.pop("average", None)
    if run.average is not None:
        parts["average"] = run.average
