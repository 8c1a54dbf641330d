"""Run: the training of one experiment, with its network, data, history and checkpoints."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import RunError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.spec import Spec
from workbench.inference.fitted_model import FittedModel
from workbench.training import live_changes
from workbench.training.baseline import (
    calibrate,
    exceeds_baseline,
    held_out_log_prob,
    patience_counts,
    selection_loss,
)
from workbench.training.critic_step import critic_steps
from workbench.training.data import RunData
from workbench.training.device import pick_device
from workbench.training.evaluation_mode import EvaluationMode
from workbench.training.evaluation_points import EvaluationPoints
from workbench.training.history import History, Record
from workbench.training.non_finite_guard import Guard, finite, refuse_non_finite
from workbench.training.optimisation import Average, make_average, make_optimiser, schedule
from workbench.training.run_storage import RunStorage
from workbench.training.run_texts import RunTexts
from workbench.training.validation_metrics import ValidationMetrics

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.model import Model
    from workbench.inference.posterior import Posterior
    from workbench.objectives.base import Batch, Loss
    from workbench.problems.base import Problem, Samples
    from workbench.snapshots import Snapshot, SnapshotRequest
    from workbench.training.experiment import Experiment
    from workbench.training.folder import RunFolder
    from workbench.training.settings import Training


@public
class Run(RunTexts, RunStorage):
    """The training of one experiment.

    Parameters
    ----------
    experiment : specification of the run; it is copied, so that later changes to it do not affect this run.
    device : auto, cpu, cuda, cuda:N or mps.
    folder : folder to which `save` writes checkpoint, history and status; without one nothing is written. A
        folder that holds another run is refused.
    samples : pairs to train on in place of draws from the problem; they rule out resuming from a folder.
    maps : maps of the columns of a run that is resumed, from its checkpoint.
    overwrite : true to replace another run in ``folder``.

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
        maps: dict[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        experiment.check()
        self.experiment = experiment.copy()
        self.settings: Training = self.experiment.training
        self.problem: Problem = self.experiment.problem
        self.device: torch.device = pick_device(device)
        self.dtype: torch.dtype = getattr(torch, self.settings.precision)
        seed = self.experiment.seed
        if samples is None:
            self.problem.record_draw(self.settings.samples, seed)
        self.data = RunData(
            self.problem,
            self.settings,
            seed=seed,
            device=self.device,
            dtype=self.dtype,
            samples=samples,
            bounded=not self.experiment.architecture.keeps_bounds,
            maps=maps,
        )
        self._from_samples = samples is not None
        self._build(seed)
        self.generator = torch.Generator(device=self.device).manual_seed(seed + 1)
        self.iteration, self.seconds = 0, 0.0
        self.objectives = 0  # number of changes of the objective
        self.finished, self.stopped_early = False, False
        self.best_loss, self.best_iteration, self._stale = float("inf"), 0, 0
        self.best_state: dict[str, Tensor] | None = None
        self.history = History()
        self.events: list[dict[str, Any]] = [
            {"kind": "data", "iteration": 0, "message": sentence}
            for sentence in (*self.problem.warnings(self.settings.samples), *self.data.notes)
        ]
        self.bad_batch: dict[str, np.ndarray] | None = None
        self._begin_without_folder()
        if folder is not None:
            self.attach(folder, overwrite=overwrite)
        self.evaluation_points, self.validation_metrics = EvaluationPoints(self), ValidationMetrics(self)
        self.baseline: Tensor | None = None
        if self.model.starts_from_data:  # training may be unable to improve on such a start
            self._validate()
            with self.evaluation_mode():
                self.baseline = held_out_log_prob(self)

    def _build(self, seed: int) -> None:
        with global_numbers(seed):
            self.model: Model = self.experiment.architecture.build(self.data.standardisation.network_shapes)
            # within the same fork: the loss's random numbers come after the model's
            self.loss: Loss = self.experiment.objective.build(self.model, self.data.context())
        self.model.to(self.device, self.dtype)
        observations = self.data.train_y if self.data.has_y else None
        if self.data.together is not None:
            self.model.keep_together(self.data.together)
        lattice = self.data.standardisation.whole_numbers(self.problem.x)
        if lattice is not None:
            self.model.learn_whole_numbers(*lattice)
        self.model.prepare(self.data.train_x, observations, self.data.bounds)
        self.loss.to(self.device, self.dtype)
        self.optimiser = make_optimiser(self.model.parameters(), self.settings)
        parts: dict[str, Any] = {"model": self.model, "loss": self.loss, "optimiser": self.optimiser}
        self.critic_optimiser = live_changes.make_critic_optimiser(self)
        if self.critic_optimiser is not None:
            parts["critic_optimiser"] = self.critic_optimiser
        self.average: Average | None = None
        live_changes.update_average(self, parts)
        self.guard = Guard(parts, self.settings.recoveries)
        self.guard.keep(0)

    # ---- stepping
    def __iter__(self) -> Iterator[Record]:
        """Train to the planned number of steps, or until validation stops improving; yields each record."""
        while not self.finished:
            yield self.step()

    @property
    def progress(self) -> float:
        """Fraction of the planned steps that are done, from 0 to 1."""
        return min(1.0, self.iteration / self.experiment.steps)

    def step(self) -> Record:
        """Do one optimiser step, with the critic's steps where there is a critic; returns its record.

        Steps beyond the planned number are allowed. Raises `NonFiniteError` when recovery fails.
        """
        start = time.perf_counter()
        if self.folder is not None and not self.folder.ownership.held:
            self.claim_before_step()
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
        """Decay of the weights' moving average: the larger of the training setting's and the objective's."""
        return max(self.settings.averaging, self.experiment.objective.model_averaging)

    def _attempt(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Try one step; returns the loss parts and the name of a quantity that was not finite, or ""."""
        factor = schedule(self.settings, self.iteration, self.experiment.steps) * self.guard.factor
        objective = self.experiment.objective
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * objective.network_rate * factor
            group["betas"] = objective.momenta
        if not self.model.training:  # setting it walks through all modules
            self.model.train()
        critic = self.loss.critic
        if critic is not None:
            trouble = critic_steps(self, factor)
            if trouble:
                return {}, trouble
            # the model must not move the critic: the envelope theorem gives the divergence's gradient
            critic.requires_grad_(False)
        self.optimiser.zero_grad()
        parts = self.loss.parts(self.model, batch, self.generator)
        parts |= self.model.penalties(batch.progress)
        total = self.loss.total(parts, batch.progress)
        if critic is not None:
            critic.requires_grad_(True)
        values = torch.stack([total.detach(), *(p.detach() for p in parts.values())]).tolist()
        if not finite(values[0]):
            return {}, "the loss"
        total.backward()
        if not finite(self.optimiser.clip(self.settings.gradient_clip or float("inf"))):
            return {}, "the gradient"
        self.optimiser.step()
        self.model.after_step(batch.progress)
        if self.average is not None:
            self.average.update(self.model, factor)
        return dict(zip(["loss", *parts], values, strict=True)), ""

    def _recover(self, batch: Batch, trouble: str) -> None:
        x = batch.x.cpu().numpy()
        y = np.zeros((len(batch), 0)) if batch.y is None else batch.y.cpu().numpy()
        self.bad_batch = {"x": x, "y": y}
        if self.folder is not None:
            with suppress(OSError):  # a full disk must not keep the run from recovering
                np.savez(self.folder.path / f"nonfinite-{self.iteration}.npz", x=x, y=y)
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
            validation = dict(zip(["loss", *parts], values, strict=True))
            if self.loss.validates and self.settings.early_stopping and self.model.settled:
                self._update_best(selection_loss(self, validation["loss"]))
            return validation | self.validation_metrics.measure(self)

    def _update_best(self, value: float) -> None:
        """Keep the weights of the least loss so far that beat the baseline; else count to early stopping."""
        if value < self.best_loss and exceeds_baseline(self):
            self.best_loss, self.best_iteration, self._stale = value, self.iteration, 0
            self.best_state = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
            return
        self._stale += patience_counts(self)
        if self._stale >= self.settings.patience and not self.finished:
            self.stopped_early = True

    def _finish(self) -> None:
        self.finished = True
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)
        elif self.average is not None:
            self.model.load_state_dict(self.average.state)
        calibrate(self)
        if self.average is not None:
            self.average = make_average(self.model, self.averaging)
            self.guard.parts["average"] = self.average
        self.guard.good = {}
        self.guard.keep(self.iteration)
        self.events.append({"kind": "finished", "iteration": self.iteration, "message": self.outcome()})

    def evaluation_mode(self) -> EvaluationMode:
        """Return a context manager: inside, ``model`` is in evaluation mode with averaged weights, if any."""
        return EvaluationMode(self)

    # ---- changes while it runs
    def set(self, name: str, value: Any) -> None:
        """Change a live setting such as ``learning_rate`` or ``objective.weight_z``.

        ``steps`` changes the planned number of steps; ``objective`` calls `change_objective`. Raises
        `SpecError` for a setting that is not live.
        """
        live_changes.change_setting(self, name, value)

    def change_objective(self, objective: str | Spec | dict[str, Any]) -> None:
        """Continue training with another objective: a key, a Spec, or ``{"key": …, "settings": {…}}``.

        Network, optimiser, schedule and history stay; a critic starts anew, and so does the search for the
        best validation loss. Raises `IncompatibleError`, and changes nothing, for an unsuitable objective.
        """
        live_changes.change_objective(self, objective)

    # ---- evaluation
    @property
    def fitted(self) -> FittedModel:
        """The trained network in data units: a copy, with the averaged weights if any."""
        with self.evaluation_mode():
            model = copy.deepcopy(self.model).eval()
        return FittedModel(
            model,
            self.data.standardisation,
            self.problem.x,
            self.problem.y,
            {"experiment": self.experiment.to_dict(), "iteration": self.iteration},
            typicality=self.data.typicality,
            problem=self.problem,
        )

    def posterior(self, observation: Any) -> Posterior:
        """Return p(x | y = observation); its ``sample(n)`` gives an xarray.Dataset."""
        return self.fitted.posterior(observation)

    def sample(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Draw n samples of x, for a problem without an observation."""
        return self.fitted.sample_dataset(n, seed=seed)

    def snapshot(self, request: SnapshotRequest | str | Sequence[str] | None = None) -> Snapshot:
        """Evaluate the requested views (a request, or keys) as immutable arrays; training is not affected."""
        from workbench.snapshots import take_snapshot

        return take_snapshot(self, request)

    # ---- state
    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors, numbers and strings."""
        return {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "finished": self.finished,
            "stopped_early": self.stopped_early,
            "steps": self.experiment.steps,
            "objective": live_changes.to_table(self.experiment.objective),
            "objectives": self.objectives,
            "live": {p: getattr(self.experiment, p).values() for p in live_changes.LIVE_PARTS},
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
            "maps": self.data.standardisation.describe(),
            **{name: part.state_dict() for name, part in self.guard.parts.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of the same experiment; its objective may be another one than the present.

        Raises `RunError` for a state of another experiment, and for weights that are not finite: such a
        network answers nothing.
        """
        try:
            self._restore(state)
        except (KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, RunError):
                raise
            raise RunError("The state does not fit its experiment", found=str(error)[:300]) from error

    def _restore(self, state: dict[str, Any]) -> None:
        live_changes.restore_objective(self, state)
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
        self.best_state = best["state"] and {name: v.to(self.device) for name, v in best["state"].items()}
        self.events = list(state["events"])
        for name, part in self.guard.parts.items():
            part.load_state_dict(state[name])
        refuse_non_finite(self)
