"""Run: the only mutable thing. It takes a copy of its experiment, steps, and can be looked at."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from workbench.core.errors import RunError
from workbench.core.spec import Spec
from workbench.inference.fitted_model import FittedModel, Posterior
from workbench.objectives.base import Context
from workbench.problems.base import Samples
from workbench.training.baseline import held_out_log_prob, surpassed
from workbench.training.critic_step import critic_steps
from workbench.training.data import RunData
from workbench.training.device import pick_device
from workbench.training.evaluation_mode import EvaluationMode
from workbench.training.evaluation_points import EvaluationPoints
from workbench.training.experiment import Experiment
from workbench.training.folder import RunFolder
from workbench.training.history import History, Record
from workbench.training.live_changes import (
    LIVE_PARTS,
    change_objective,
    change_setting,
    described,
    keep_average,
    restore_objective,
)
from workbench.training.non_finite_guard import Guard, finite
from workbench.training.optimisation import Average, critic_optimiser, make_average, make_optimiser, schedule
from workbench.training.validation_metrics import ValidationMetrics

if TYPE_CHECKING:
    from workbench.snapshots import Snapshot, SnapshotRequest


class Run:
    """One experiment being trained.

    Parameters
    ----------
    experiment : what to run; a copy is taken, so that later changes do not bend this run.
    device : auto, cpu, cuda, cuda:N or mps.
    folder : where `save` puts checkpoint, history and status; without one nothing is written.
    samples : pairs to train on in place of draws of the problem; such a run cannot be resumed from a folder.

    Same seed, same run: batches, latents and initial weights follow from ``experiment.seed`` alone. A run
    that is stopped and resumed goes on exactly (bit for bit on a CPU) as if it had never stopped.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        device: str = "auto",
        folder: str | Path | RunFolder | None = None,
        samples: Samples | None = None,
    ) -> None:
        experiment.check()
        self.experiment = experiment.copy()
        self.settings, self.problem = self.experiment.training, self.experiment.problem
        self.device, self.dtype = pick_device(device), getattr(torch, self.settings.precision)
        seed = self.experiment.seed
        self.data = RunData(
            self.problem, self.settings, seed=seed, device=self.device, dtype=self.dtype, samples=samples
        )
        self._given = samples is not None
        self._build(seed)
        self.generator = torch.Generator(device=self.device).manual_seed(seed + 1)
        self.iteration, self.seconds, self.objectives = 0, 0.0, 0  # objectives: how often it was changed
        self.finished, self.stopped_early = False, False
        self.best_loss, self.best_iteration, self.best_state, self._stale = float("inf"), 0, None, 0
        self.history, self.events = History(), []
        self.bad_batch: dict[str, np.ndarray] | None = None
        self.folder: RunFolder | None = None
        self._written, self._events_written = 0, 0
        if folder is not None:
            self.attach(folder)
        self.evaluation_points, self.validation_metrics = EvaluationPoints(self), ValidationMetrics(self)
        self.start = None
        if self.model.starts_from_data:  # its start may be what training cannot better
            self._validate()
            with self.evaluation_mode():
                self.start = held_out_log_prob(self)

    def _build(self, seed: int) -> None:
        shapes, s = self.problem.shapes, self.data.standardisation
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = self.experiment.architecture.build(shapes)
            known = [t.to(self.device, self.dtype) for t in (s.shift_x, s.scale_x, s.shift_y, s.scale_y)]
            # in the same breath as the model: its random numbers come after the model's
            self.loss = self.experiment.objective.build(self.model, Context(self.problem, shapes, *known))
        self.model.to(self.device, self.dtype)
        observed = self.data.train_y if self.data.has_y else None
        self.model.prepare(self.data.train_x, observed, self.data.bounds)
        self.loss.to(self.device, self.dtype)
        self.optimiser = make_optimiser(self.model.parameters(), self.settings)
        watched = {"model": self.model, "loss": self.loss, "optimiser": self.optimiser}
        self.critic_optimiser = None
        if self.loss.critic is not None:
            rate = self.experiment.objective.critic_learning_rate
            self.critic_optimiser = critic_optimiser(self.loss.critic.parameters(), rate)
            watched["critic_optimiser"] = self.critic_optimiser
        self.average: Average | None = None
        keep_average(self, watched)
        self.guard = Guard(watched, self.settings.recoveries)
        self.guard.keep(0)

    # ---- stepping
    def __iter__(self) -> Iterator[Record]:
        """Train to the planned number of steps, or until validation no longer improves."""
        while not self.finished:
            yield self.step()

    @property
    def progress(self) -> float:
        """From 0 to 1 over the planned steps."""
        return min(1.0, self.iteration / self.experiment.steps)

    def step(self) -> Record:
        """One optimiser step (and the critic's, where there is one). Returns its record; a step past the
        end is allowed."""
        start = time.perf_counter()
        while True:
            batch = self.data.batch(self.iteration, self.progress)
            parts, trouble = self._attempt(batch)
            self.iteration += 1
            if not trouble:
                break
            self._recover(batch, trouble)
        self.guard.keep(self.iteration)
        validation = self._validate() if self.iteration % self.settings.validate_every == 0 else {}
        self.seconds += time.perf_counter() - start
        record = Record(self.iteration, self.seconds, self.optimiser.param_groups[0]["lr"], parts, validation)
        self.history.append(record)
        if not self.finished and (self.iteration >= self.experiment.steps or self.stopped_early):
            self._finish()
        return record

    @property
    def averaging(self) -> float:
        """Decay of the moving average of the weights: the training's or the objective's, the longer one."""
        return max(self.settings.averaging, self.experiment.objective.model_averaging)

    def _attempt(self, batch) -> tuple[dict[str, float], str]:
        """One try: the parts, and what was not finite, if anything."""
        factor = schedule(self.settings, self.iteration, self.experiment.steps) * self.guard.factor
        objective = self.experiment.objective
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * objective.network_rate * factor
            group["betas"] = objective.momenta
        self.model.train()
        if self.critic_optimiser is not None:
            trouble = critic_steps(self, factor)
            if trouble:
                return {}, trouble
            # the model must not move the critic: the envelope theorem gives the divergence's gradient
            self.loss.critic.requires_grad_(False)
        self.optimiser.zero_grad(set_to_none=True)
        parts = self.loss.parts(self.model, batch, self.generator)
        parts |= self.model.penalties(batch.progress)
        total = self.loss.total(parts, batch.progress)
        if self.critic_optimiser is not None:
            self.loss.critic.requires_grad_(True)
        values = torch.stack([total.detach(), *(p.detach() for p in parts.values())]).tolist()
        if not finite(values[0]):
            return {}, "the loss"
        total.backward()
        limit = self.settings.gradient_clip or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit))
        if not finite(norm):
            return {}, "the gradient"
        self.optimiser.step()
        self.model.after_step(batch.progress)
        if self.average is not None:
            self.average.update(self.model, factor)
        return dict(zip(["loss", *parts], values, strict=True)), ""

    def _recover(self, batch, trouble: str) -> None:
        self.bad_batch = {
            "x": batch.x.cpu().numpy(),
            "y": np.zeros((len(batch), 0)) if batch.y is None else batch.y.cpu().numpy(),
        }
        if self.folder is not None:
            np.savez(self.folder.path / f"nonfinite-{self.iteration}.npz", **self.bad_batch)
        self.events.append(self.guard.recover(self.iteration, trouble))

    # ---- validation, early stopping, the end
    def _validate(self) -> dict[str, float]:
        generator = torch.Generator(device=self.device).manual_seed(self.experiment.seed + 2)
        # at full weights whatever the ramp: validation losses of different iterations must be comparable
        batch = self.data.held_out(self.loss.held_out, 1.0)
        with self.evaluation_mode(), torch.no_grad():
            parts = self.loss.parts(self.model, batch, generator)
            parts |= self.model.penalties(batch.progress)
            total = self.loss.total(parts, batch.progress)
            values = torch.stack([total, *parts.values()]).tolist()
            found = dict(zip(["loss", *parts], values, strict=True))
            if self.loss.validates and self.settings.early_stopping and self.model.settled:
                self._remember(found["loss"])
            return found | self.validation_metrics.measure(self)

    def _remember(self, value: float) -> None:
        """Called while the looked-at weights are in place: keeps them when they are the best so far."""
        if value < self.best_loss and surpassed(self):
            self.best_loss, self.best_iteration, self._stale = value, self.iteration, 0
            self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
            return
        self._stale += 1
        if self._stale >= self.settings.patience and not self.finished:
            self.stopped_early = True

    def _finish(self) -> None:
        self.finished = True
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
        elif self.average is not None:
            self.model.load_state_dict(self.average.state)
        if self.average is not None:
            self.average = make_average(self.model, self.averaging)
            self.guard.watched["average"] = self.average
        self.guard.good = {}
        self.guard.keep(self.iteration)
        why = "Validation stopped improving" if self.stopped_early else "The planned steps are done"
        kept = f"; the weights of iteration {self.best_iteration} are kept" if self.best_state else ""
        self.events.append({"kind": "finished", "iteration": self.iteration, "message": f"{why}{kept}."})

    def evaluation_mode(self) -> EvaluationMode:
        """Context in which ``model`` carries the weights that are to be looked at."""
        return EvaluationMode(self)

    # ---- changes while it runs
    def set(self, name: str, value: Any) -> None:
        """Change a live setting: ``learning_rate``, ``objective.weight_z``, or ``steps`` to plan a longer
        run; ``objective`` with a key or a table of key and settings is `change_objective`."""
        change_setting(self, name, value)

    def change_objective(self, objective: str | Spec | dict) -> None:
        """Train on with another objective: a key, a Spec, or ``{"key": …, "settings": {…}}``.

        Network, optimiser, schedule and history stay; a critic starts anew, and so does the search for the
        best validation loss. Raises `IncompatibleError`, and changes nothing, where it does not fit.
        """
        change_objective(self, objective)

    # ---- looking
    @property
    def fitted(self) -> FittedModel:
        """The network in data units, with the weights that are to be looked at (a copy: training goes on
        beside it)."""
        with self.evaluation_mode():
            model = copy.deepcopy(self.model).eval()
        told = {"experiment": self.experiment.to_dict(), "iteration": self.iteration}
        problem, units = self.problem, copy.deepcopy(self.data.standardisation)
        known = {"typicality": self.data.typicality, "problem": problem}
        return FittedModel(model, units, problem.x, problem.y, told, **known)

    def posterior(self, observation) -> Posterior:
        """p(x | y = observation); ``.sample(n)`` gives an xarray.Dataset."""
        return self.fitted.posterior(observation)

    def sample(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """n draws of x for a problem without an observation."""
        return self.fitted.sample_dataset(n, seed=seed)

    def snapshot(self, request: SnapshotRequest | None = None) -> Snapshot:
        """What can be seen now, as immutable arrays. Does not touch the training or its random numbers."""
        from workbench.snapshots import SnapshotRequest, take_snapshot

        return take_snapshot(self, request or SnapshotRequest())

    @property
    def parameters(self) -> int:
        """Trainable scalars of the network (without the critic)."""
        return self.model.parameter_count()

    @property
    def steps_per_second(self) -> float:
        """Over the last hundred steps."""
        if len(self.history) < 2:
            return 0.0
        first, last = self.history[max(0, len(self.history) - 100)], self.history[-1]
        return (last.iteration - first.iteration) / max(last.seconds - first.seconds, 1e-9)

    # ---- state
    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors, numbers and texts."""
        return {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "finished": self.finished,
            "stopped_early": self.stopped_early,
            "steps": self.experiment.steps,
            "objective": described(self.experiment.objective),
            "objectives": self.objectives,
            "live": {p: getattr(self.experiment, p).values() for p in LIVE_PARTS},
            "generator": self.generator.get_state(),
            "guard": self.guard.state_dict(),
            "best": {
                "loss": self.best_loss,
                "iteration": self.best_iteration,
                "stale": self._stale,
                "state": self.best_state,
            },
            "events": list(self.events),
            "standardisation": self.data.standardisation.state_dict(),
            **{name: watched.state_dict() for name, watched in self.guard.watched.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict` of a run of the same experiment, or of one whose objective was changed."""
        restore_objective(self, state)
        state = {"average": {"updates": 0, "state": state["model"]}} | state  # an older state has none
        for name in ("iteration", "seconds", "finished", "stopped_early"):
            setattr(self, name, state[name])
        self.experiment = self.experiment.replace(steps=state["steps"])
        for part, values in state["live"].items():
            for name in getattr(self.experiment, part).live & values.keys():  # an older state knows fewer
                getattr(self.experiment, part).set(name, values[name])
        self.generator.set_state(state["generator"])
        self.guard.load_state_dict(state["guard"])
        best = state["best"]
        self.best_loss, self.best_iteration, self._stale = best["loss"], best["iteration"], best["stale"]
        self.best_state = best["state"] and {k: v.to(self.device) for k, v in best["state"].items()}
        self.events = list(state["events"])
        for name, watched in self.guard.watched.items():
            watched.load_state_dict(state[name])

    # ---- on disk
    def attach(self, folder: str | Path | RunFolder) -> RunFolder:
        """Give the run a folder; the experiment is written at once."""
        if self._given:
            asked = "A run on pairs that were handed to it cannot be resumed from a folder, so it has none"
            raise RunError(asked, suggestion="export its model with workbench.save instead")
        self.folder = folder if isinstance(folder, RunFolder) else RunFolder(folder)
        self.folder.write_experiment(self.experiment)
        return self.folder

    def save(self, folder: str | Path | None = None, *, state: str = "") -> RunFolder:
        """Write checkpoint, history and status into the run's folder.

        ``state`` is what the status says; without it, that the run is finished or was stopped.
        """
        if folder is not None:
            self.attach(folder)
        if self.folder is None:
            raise RunError(
                "This run has no folder to be saved to", expected="run.save(folder) or Run(…, folder=…)"
            )
        self.folder.append_history(self.history.since(self._written))
        self._written = self.iteration
        for event in self.events[self._events_written :]:
            self.folder.append_event(event)
        self._events_written = len(self.events)
        self.folder.write_checkpoint(self.state_dict())
        if self.objectives:  # after the checkpoint, which brings its own objective along
            self.folder.write_experiment(self.experiment)
        self.folder.write_status(state or ("finished" if self.finished else "stopped"), **self.brief())
        return self.folder

    def brief(self) -> dict[str, Any]:
        """The numbers for a status line."""
        return {
            "iteration": self.iteration,
            "steps": self.experiment.steps,
            "device": str(self.device),
            "steps_per_second": round(self.steps_per_second, 3),
            "seconds": round(self.seconds, 3),
            "parameters": self.parameters,
            "loss": self.history[-1].loss if len(self.history) else None,
            "message": self.events[-1]["message"] if self.events else "",
        }

    @classmethod
    def resume(cls, folder: str | Path | RunFolder, *, device: str = "auto") -> Run:
        """Continue a saved run from its last checkpoint."""
        kept = folder if isinstance(folder, RunFolder) else RunFolder(folder)
        run = cls(kept.experiment(), device=device)
        try:
            run.load_state_dict(kept.checkpoint())
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise RunError(
                f"The checkpoint of run '{kept.id}' does not fit its experiment", found=str(error)[:300]
            ) from error
        run.folder = kept
        run.history = kept.history(until=run.iteration)
        kept.rewrite_history(run.history)
        run._written, run._events_written = run.iteration, len(run.events)
        return run
