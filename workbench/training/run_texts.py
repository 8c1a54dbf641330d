"""Texts of a run for a terminal, a notebook and its folder, and its training in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from workbench.core.entries import public
from workbench.core.markup import Shown
from workbench.training.progress import train

if TYPE_CHECKING:
    from workbench.training.run import Run


class RunTexts(Shown):
    """Base of `Run`: `train`, and what a run says of itself."""

    @public
    def train(self, *, progress: bool = True) -> Self:
        """Train to the planned number of steps, or until validation stops improving; returns the run.

        ``progress`` shows a bar with loss and validation loss, in a terminal and in a notebook. A run with a
        folder is saved every few seconds and at the end. A run that is finished stays as it is. Raises
        `NonFiniteError` when recovery fails.
        """
        train(cast("Run", self), progress=progress)
        return self

    def outcome(self) -> str:
        """Say why training ended, and which weights the run has now."""
        run = cast("Run", self)
        text = "Validation stopped improving" if run.stopped_early else "The planned steps are done"
        if not run.best_state:
            return f"{text}."
        if run.best_iteration:
            return f"{text}; the weights of iteration {run.best_iteration} are used."
        if run.model.starts_from_data:
            return f"{text}; no step was clearly better than the fit to the data at the start, which is used."
        return f"{text}; no step was better than the initial weights, which are used."

    @property
    def parameters(self) -> int:
        """Number of trainable scalars of the network, without the critic."""
        return cast("Run", self).model.parameter_count()

    @property
    def steps_per_second(self) -> float:
        """Training speed over the last hundred steps."""
        return cast("Run", self).history.steps_per_second()

    def brief(self) -> dict[str, Any]:
        """Return iteration, device, speed, loss and latest message as a JSON-ready dict, for status.json."""
        run = cast("Run", self)
        return {
            "iteration": run.iteration,
            "steps": run.experiment.steps,
            "device": str(run.device),
            "steps_per_second": round(self.steps_per_second, 3),
            "seconds": round(run.seconds, 3),
            "parameters": self.parameters,
            "loss": run.history[-1].loss if len(run.history) else None,
            "message": run.events[-1]["message"] if run.events else "",
        }

    def facts(self) -> dict[str, object]:
        """Return parts, progress, losses, size, device and folder by name."""
        run = cast("Run", self)
        experiment, validation = run.experiment, _latest_validation(run)
        texts: dict[str, object] = {
            "problem": experiment.problem.key,
            "architecture": experiment.architecture.key,
            "objective": experiment.objective.key,
            "iteration": f"{run.iteration} of {experiment.steps}" + (", finished" if run.finished else ""),
        }
        if len(run.history):
            texts["loss"] = f"{run.history[-1].loss:.4g}"
        if validation is not None:
            texts["validation"] = f"{validation:.4g}"
        texts |= {"parameters": run.parameters, "seed": experiment.seed, "device": run.device}
        if run.folder is not None:
            texts["folder"] = run.folder.path
        return texts

    def notes(self) -> tuple[str, ...]:
        """Return the messages of the run's events, the latest last."""
        return tuple(str(event["message"]) for event in cast(Any, self).events[-5:] if event.get("message"))


def _latest_validation(run: Run) -> float | None:
    """Return the latest validation loss; None before the first validation."""
    records = reversed(run.history[:])
    return next((r.validation["loss"] for r in records if "loss" in r.validation), None)
