"""Execution of the commands of a `Handle` on a `Run`, for worker processes and notebooks alike."""

from __future__ import annotations

import math
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from workbench.backends.base import FAILED, FINISHED, PAUSED, RUNNING, STOPPED, Status
from workbench.core.errors import RunError, WorkbenchError
from workbench.training import RunFolder
from workbench.training.folder import DiskFullError
from workbench.training.ownership import OwnershipError, owner_here

if TYPE_CHECKING:
    from workbench.snapshots import Snapshot, SnapshotRequest
    from workbench.training import Run

#: Seconds of training between two checkpoints (at most 10 s may be lost), and between two heartbeats on disk.
SAVE_EVERY, BEAT_EVERY = 8.0, 3.0
#: Upper bounds on the fraction of time spent on snapshots while training, and on a snapshot's delay (s).
SNAPSHOT_SHARE, SNAPSHOT_PATIENCE = 0.02, 3.0


class Operator:
    """Executes commands on one Run, step by step, and maintains its folder.

    The caller alternates `apply` (a command), `take_snapshot` (if one is due), `train_step` and `maintain`
    (checkpoint and heartbeat when they are due). Failures of the run are not raised: see `status`.

    Parameters
    ----------
    make : function that builds or resumes the run.
    wall_clock : seconds of training after which the run is paused.
    patience : longest time in seconds by which a requested snapshot is delayed.
    """

    def __init__(
        self,
        make: Callable[[], Run],
        folder: RunFolder,
        *,
        wall_clock: float = math.inf,
        patience: float = SNAPSHOT_PATIENCE,
    ) -> None:
        self.folder = folder
        self.run: Run | None = None
        self.status = Status()
        self._left: float = 0  # steps still to do: 0 at rest, infinite after "run"
        self._wall_clock, self._trained, self._patience = wall_clock, 0.0, patience
        self._request: SnapshotRequest | None = None
        self._snapshot_at = self._snapshot_cost = 0.0
        self._recent_requests: deque[tuple[Any, ...]] = deque(maxlen=4)
        self._saved_at = self._beat_at = time.monotonic()
        self._rate = _Rate()
        self._stopping, self._lost = False, False  # lost: the run is another process's now
        with self._guard("The run could not be started"):
            self.run = run = make()
            self.status = Status(device=str(run.device), steps=run.experiment.steps)
            self._save()
            self._rest(_news_of_the_checkpoint(run))

    @property
    def _active_run(self) -> Run:
        if self.run is None:
            raise RunError("There is no run to command", found=self.status.message)
        return self.run

    @property
    def training(self) -> bool:
        """True while there are steps left to train."""
        return self._left > 0 and self.status.live

    @property
    def busy(self) -> bool:
        """True while there are steps left to train or a snapshot to take."""
        return self.training or self.snapshot_due

    # ---- commands
    def apply(self, name: str, *arguments: Any) -> None:
        """Execute one command, such as "run" or "set".

        A refused command only changes `Status.message`; an unexpected exception ends the run as failed.
        """
        if not self.status.live:
            return
        try:
            getattr(self, f"_on_{name}")(*arguments)
        except (OwnershipError, DiskFullError) as error:
            self._fail(f"The command '{name}' failed", error)
        except WorkbenchError as error:
            self._update(message=str(error))
        except Exception as error:
            self._fail(f"The command '{name}' failed", error)

    def _on_run(self) -> None:
        self._train(math.inf)

    def _on_step(self, n: int) -> None:
        # steps add up when they are requested faster than they are trained; a continuing run is cut to n
        self._train(n if math.isinf(self._left) else self._left + n)

    def _train(self, steps: float) -> None:
        run = self._active_run
        if run.finished and math.isinf(steps):
            self._update(
                message=f"All {run.experiment.steps} steps are done; single steps still go on."
                if not run.stopped_early
                else run.events[-1]["message"]
            )
        elif steps > 0:
            if not self.training:
                self._trained = 0.0
            self._left = steps
            self._rate.start(run.iteration)
            self._update(state=RUNNING, message="")

    def _on_pause(self) -> None:
        if self.training:
            self._save()
            self._rest("")

    def _on_set(self, name: str, value: Any) -> None:
        run = self._active_run
        run.set(name, value)
        self.status = replace(self.status, steps=run.experiment.steps)
        message = run.events[-1]["message"] if name == "objective" else f"{name} is now {value}."
        if self.training:
            self._update(message=message)
        else:  # more steps than before wake up a run that had finished
            self._rest(message)

    def _on_save(self) -> None:
        self._save()
        self._update(message=f"Saved at step {self._active_run.iteration}.")

    def _on_stop(self, reason: str = "Stopped") -> None:
        self._stopping = True
        with self._guard("The last checkpoint could not be written"):
            self._save()
            self._left = 0
            self._update(state=STOPPED, message=f"{reason}; saved at step {self._active_run.iteration}.")

    def _on_snapshot(self, request: SnapshotRequest) -> None:
        self._request = request

    # ---- called in turns
    def train_step(self) -> None:
        """Do one training step."""
        run, before = self._active_run, time.monotonic()
        was_finished, events = run.finished, len(run.events)
        with self._guard(f"Step {run.iteration + 1} failed"):
            record = run.step()
            self._left -= 1
            now = time.monotonic()
            self._trained += now - before
            self.status = replace(
                self.status,
                iteration=record.iteration,
                loss=record.loss,
                steps_per_second=self._rate.at(record.iteration, now),
            )
            news = run.events[-1]["message"] if len(run.events) > events else ""
            if self._left <= 0 or (run.finished and not was_finished):
                self._save()
                self._rest(news)
            elif self._trained > self._wall_clock:
                self._save()
                self._rest(f"Paused: a run trains for at most {self._wall_clock / 60:g} min at once here.")
            elif news:
                self._update(message=news)

    def take_snapshot(self) -> Snapshot | None:
        """Take the requested snapshot; None where none is requested, it is postponed, or it fails.

        While training, snapshots are postponed so that they take a small fraction of the time. A request for
        other views or another observation than the last few ones is served at once.
        """
        request, now = self._request, time.monotonic()
        if request is None or not self.status.live:
            return None
        subject = (request.views, request.observation)
        delay = min(self._snapshot_cost / SNAPSHOT_SHARE, self._patience)
        if self.training and subject in self._recent_requests and now < self._snapshot_at + delay:
            return None
        self._request = None
        self._recent_requests.append(subject)
        try:
            return self._active_run.snapshot(request)
        except Exception as error:  # a failing view must never end a run
            self._update(message=f"The run could not be looked at: {error}")
            return None
        finally:
            self._snapshot_at = time.monotonic()
            self._snapshot_cost = self._snapshot_at - now

    def interrupt(self) -> None:
        """Pause after an exception interrupted a step (Ctrl-C); the folder keeps the latest checkpoint."""
        if self.training:
            self._rest("Interrupted. Resume from the last checkpoint, or run on from where it is.")

    @property
    def snapshot_due(self) -> bool:
        """True while a requested snapshot has not been taken yet."""
        return self._request is not None

    def maintain(self) -> None:
        """Write checkpoint and heartbeat when they are due."""
        now = time.monotonic()
        if self.training and now > self._saved_at + SAVE_EVERY:
            with self._guard("The checkpoint could not be written"):
                self._save()
        if now > self._beat_at + BEAT_EVERY:
            self._write_status()

    # ---- inside
    def _rest(self, message: str = "") -> None:
        self._left = 0
        self._update(state=FINISHED if self._active_run.finished else PAUSED, message=message)

    def _save(self) -> None:
        run = self._active_run
        run.save(state=self.status.state)
        self._saved_at = time.monotonic()
        self.status = replace(self.status, saved=run.iteration)

    def _update(self, **changes: Any) -> None:
        if self.run is not None:
            last = self.run.history[-1].loss if len(self.run.history) else math.nan
            changes = {"iteration": self.run.iteration, "loss": last, **changes}
        if changes.get("state", RUNNING) != RUNNING:
            changes["steps_per_second"] = 0.0
        self.status = replace(self.status, **changes)
        self._write_status()

    def _write_status(self) -> None:
        self._beat_at = time.monotonic()
        if self._lost:
            return
        try:
            values = {**(self.run.brief() if self.run is not None else {}), **self.status.to_json()}
            self.folder.write_status(values.pop("state"), **values)
        except OwnershipError as error:
            if owner_here(self.folder.path) in (None, self.folder.ownership):
                # not another object in this process: of these, the next save decides
                self._lose(error)
        except OSError:  # a full disk must not stop the training; the next checkpoint will report it
            pass

    def _guard(self, what: str) -> _Guard:
        return _Guard(self, what)

    def _fail(self, what: str, error: BaseException) -> None:
        """End the run as failed; on a full disk pause it, so that it can be saved once there is room."""
        if isinstance(error, OwnershipError):
            return self._lose(error)
        message = f"{what}: {type(error).__name__}: {error}"
        if isinstance(error, WorkbenchError):
            message = str(error)
        if isinstance(error, DiskFullError) and self.run is not None and not self._stopping:
            return self._rest(f"Paused at step {self.run.iteration}. {message}")
        self._left = 0
        with suppress(OSError):
            trace = "".join(traceback.format_exception(error))
            self.folder.write_last_words("error.txt", trace.encode())
        self._update(state=FAILED, message=message)

    def _lose(self, error: OwnershipError) -> None:
        """End the run here and leave the folder to the process that has it."""
        self._left, self._lost = 0, True
        self.status = replace(self.status, state=FAILED, steps_per_second=0.0, message=str(error))


def _news_of_the_checkpoint(run: Run) -> str:
    """Return the sentence for a run whose latest checkpoint was refused; empty for another one."""
    last = run.events[-1] if run.events else {}
    return last["message"] if last.get("kind") == "checkpoint" else ""


class _Guard:
    """Context manager in which an exception is not raised, but ends the run as failed.

    The message goes into the status, and the traceback into error.txt in the run's folder.
    """

    def __init__(self, operator: Operator, what: str) -> None:
        self._operator, self._what = operator, what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self._operator._fail(self._what, error)
        return True


class _Rate:
    """Steps per second, averaged over about a second that includes the time of snapshots and checkpoints."""

    def __init__(self) -> None:
        self._since, self._first, self._value = 0.0, 0, 0.0

    def start(self, iteration: int) -> None:
        """Start measuring at this iteration."""
        self._since, self._first, self._value = time.monotonic(), iteration, 0.0

    def at(self, iteration: int, now: float) -> float:
        """Return the steps per second, given the iteration and the time ``now``."""
        span = now - self._since
        if self._value == 0.0 and span > 0:  # within the first second, the average so far
            return (iteration - self._first) / span if span < 1.0 else self._renew(iteration, now, span)
        return self._renew(iteration, now, span) if span >= 1.0 else self._value

    def _renew(self, iteration: int, now: float, span: float) -> float:
        self._value = (iteration - self._first) / span
        self._since, self._first = now, iteration
        return self._value
