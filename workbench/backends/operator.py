"""What the commands of a handle mean for a Run: said once, for a worker process as for a notebook."""

from __future__ import annotations

import math
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace

from workbench.backends.base import FAILED, FINISHED, PAUSED, RUNNING, STOPPED, Status
from workbench.core.errors import WorkbenchError
from workbench.snapshots import Snapshot, SnapshotRequest
from workbench.training import Run, RunFolder

#: Seconds of training between two checkpoints (at most 10 s may be lost), and between two heartbeats on disk.
SAVE_EVERY, BEAT_EVERY = 8.0, 3.0
#: While training, snapshots may take this share of the time; none waits for longer than the patience (s).
SNAPSHOT_SHARE, SNAPSHOT_PATIENCE = 0.02, 3.0


class Operator:
    """Drives one Run step by step and keeps its folder.

    The caller alternates `apply` (a command), `answer` (the snapshot that is due, if any), `turn` (one
    step) and `keep` (checkpoint and heartbeat when it is time). Nothing here raises for the run's sake:
    see `status`.
    """

    def __init__(
        self,
        make: Callable[[], Run],
        folder: RunFolder,
        *,
        wall_clock: float = math.inf,
        patience: float = SNAPSHOT_PATIENCE,
    ) -> None:
        """``make()`` builds or resumes the run; after ``wall_clock`` seconds of training it is paused, and no
        snapshot waits for longer than ``patience`` seconds."""
        self.folder, self.run = folder, None
        self.status = Status()
        self._left: float = 0  # steps still to do: 0 at rest, infinite after "run"
        self._wall_clock, self._trained, self._patience = wall_clock, 0.0, patience
        self._wanted: SnapshotRequest | None = None
        self._answered_at = self._answer_cost = 0.0
        self._looked_for: deque = deque(maxlen=4)
        self._saved_at = self._beat_at = time.monotonic()
        self._rate = _Rate()
        with self._guard("The run could not be started"):
            self.run = make()
            self.status = Status(device=str(self.run.device), steps=self.run.experiment.steps)
            self._save()
            self._rest()

    @property
    def training(self) -> bool:
        """Whether `turn` has something to do."""
        return self._left > 0 and self.status.live

    @property
    def busy(self) -> bool:
        """Whether the caller should come back at once."""
        return self.training or self._wanted is not None

    # ---- commands
    def apply(self, name: str, *arguments) -> None:
        """Carry out one command; a refusal becomes the status' message."""
        if not self.status.live:
            return
        try:
            getattr(self, f"_on_{name}")(*arguments)
        except WorkbenchError as error:
            self._tell(message=str(error))
        except Exception as error:
            self._fail(f"The command '{name}' failed", error)

    def _on_run(self) -> None:
        self._train(math.inf)

    def _on_step(self, n: int) -> None:
        # steps add up when they are asked for faster than they are done; a run that goes on is cut to n
        self._train(n if math.isinf(self._left) else self._left + n)

    def _train(self, steps: float) -> None:
        if self.run.finished and math.isinf(steps):
            self._tell(
                message=f"All {self.run.experiment.steps} steps are done; single steps still go on."
                if not self.run.stopped_early
                else self.run.events[-1]["message"]
            )
        elif steps > 0:
            if not self.training:
                self._trained = 0.0
            self._left = steps
            self._rate.start(self.run.iteration)
            self._tell(state=RUNNING, message="")

    def _on_pause(self) -> None:
        if self.training:
            self._save()
            self._rest("")

    def _on_set(self, name: str, value) -> None:
        self.run.set(name, value)
        self.status = replace(self.status, steps=self.run.experiment.steps)
        changed = self.run.events[-1]["message"] if name == "objective" else ""
        message = changed or f"{name} is now {value}."
        if self.training:
            self._tell(message=message)
        else:  # more steps than before wake up a run that had finished
            self._rest(message)

    def _on_save(self) -> None:
        self._save()
        self._tell(message=f"Saved at step {self.run.iteration}.")

    def _on_stop(self, reason: str = "Stopped") -> None:
        with self._guard("The last checkpoint could not be written"):
            self._save()
            self._left = 0
            self._tell(state=STOPPED, message=f"{reason}; saved at step {self.run.iteration}.")

    def _on_snapshot(self, request: SnapshotRequest) -> None:
        self._wanted = request

    # ---- what the caller alternates
    def turn(self) -> None:
        """One training step."""
        before, finished, events = time.monotonic(), self.run.finished, len(self.run.events)
        with self._guard(f"Step {self.run.iteration + 1} failed"):
            record = self.run.step()
            self._left -= 1
            now = time.monotonic()
            self._trained += now - before
            self.status = replace(
                self.status,
                iteration=record.iteration,
                loss=record.loss,
                steps_per_second=self._rate.at(record.iteration, now),
            )
            news = self.run.events[-1]["message"] if len(self.run.events) > events else ""
            if self._left <= 0 or (self.run.finished and not finished):
                self._save()
                self._rest(news)
            elif self._trained > self._wall_clock:
                self._save()
                self._rest(f"Paused: a run trains for at most {self._wall_clock / 60:g} min at once here.")
            elif news:
                self._tell(message=news)

    def answer(self) -> Snapshot | None:
        """The snapshot that is due.

        While training, snapshots get a small share of the time, so that looking does not slow learning
        down; what was not looked at lately (another view or observation) is answered at once.
        """
        request, now = self._wanted, time.monotonic()
        if request is None or not self.status.live:
            return None
        looked_for = (request.views, request.observation)
        rest = min(self._answer_cost / SNAPSHOT_SHARE, self._patience)
        if self.training and looked_for in self._looked_for and now < self._answered_at + rest:
            return None
        self._wanted = None
        self._looked_for.append(looked_for)
        try:
            return self.run.snapshot(request)
        except Exception as error:  # looking must never end a run
            self._tell(message=f"The run could not be looked at: {error}")
            return None
        finally:
            self._answered_at = time.monotonic()
            self._answer_cost = self._answered_at - now

    def interrupt(self) -> None:
        """Rest after a step that was broken off: what the folder holds is from before it."""
        if self.training:
            self._rest("Interrupted. Resume from the last checkpoint, or run on from where it is.")

    @property
    def owes(self) -> bool:
        """Whether a snapshot was asked for and is not answered yet."""
        return self._wanted is not None

    def keep(self) -> None:
        """Checkpoint and heartbeat, when it is time."""
        now = time.monotonic()
        if self.training and now > self._saved_at + SAVE_EVERY:
            with self._guard("The checkpoint could not be written"):
                self._save()
        if now > self._beat_at + BEAT_EVERY:
            self._write_status()

    # ---- inside
    def _rest(self, message: str = "") -> None:
        self._left = 0
        self._tell(state=FINISHED if self.run.finished else PAUSED, message=message)

    def _save(self) -> None:
        self.run.save(state=self.status.state)
        self._saved_at = time.monotonic()
        self.status = replace(self.status, saved=self.run.iteration)

    def _tell(self, **changes) -> None:
        if self.run is not None:
            last = self.run.history[-1].loss if len(self.run.history) else math.nan
            changes = {"iteration": self.run.iteration, "loss": last, **changes}
        if changes.get("state", RUNNING) != RUNNING:
            changes["steps_per_second"] = 0.0
        self.status = replace(self.status, **changes)
        self._write_status()

    def _write_status(self) -> None:
        self._beat_at = time.monotonic()
        with suppress(OSError):  # a full disk must not stop the training; the next checkpoint will say so
            known = {**(self.run.brief() if self.run is not None else {}), **json_ready(self.status)}
            self.folder.write_status(known.pop("state"), **known)

    def _guard(self, what: str) -> _Guard:
        return _Guard(self, what)

    def _fail(self, what: str, error: BaseException) -> None:
        self._left = 0
        own = isinstance(error, WorkbenchError)
        message = str(error) if own else f"{what}: {type(error).__name__}: {error}"
        with suppress(OSError):
            trace = "".join(traceback.format_exception(error))
            (self.folder.path / "error.txt").write_text(trace, encoding="utf-8")
        self._tell(state=FAILED, message=message)


class _Guard:
    """Whatever is raised inside ends the run as failed: message in the status, trace in error.txt."""

    def __init__(self, operator: Operator, what: str) -> None:
        self._operator, self._what = operator, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self._operator._fail(self._what, error)
        return True


class _Rate:
    """Steps a second over the last second or so, the time for snapshots and checkpoints included."""

    def __init__(self) -> None:
        self._since, self._from, self._value = 0.0, 0, 0.0

    def start(self, iteration: int) -> None:
        self._since, self._from, self._value = time.monotonic(), iteration, 0.0

    def at(self, iteration: int, now: float) -> float:
        span = now - self._since
        if self._value == 0.0 and span > 0:  # at first, what there is
            return (iteration - self._from) / span if span < 1.0 else self._renew(iteration, now, span)
        return self._renew(iteration, now, span) if span >= 1.0 else self._value

    def _renew(self, iteration: int, now: float, span: float) -> float:
        self._value = (iteration - self._from) / span
        self._since, self._from = now, iteration
        return self._value


def json_ready(status: Status) -> dict:
    """For a run's folder; JSON knows no nan."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(status).items()
    }
