"""Interface to training runs: a `Backend` starts a run, a `Handle` controls it and returns its results.

Clients pull, no data are pushed to them. Commands return at once, and their outcome is in `Handle.status`. A
snapshot is requested with `Handle.request`, at most one at a time (a credit, not a queue), and read with
`Handle.latest` when its version has changed. `Handle.subscribe` only notifies of a new status or snapshot.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench.core.errors import IncompatibleError, RunError
from workbench.snapshots import Snapshot, SnapshotRequest
from workbench.training import Experiment, RunFolder

STARTING, PAUSED, RUNNING, FINISHED = "starting", "paused", "running", "finished"
FAILED, KILLED, STOPPED = "failed", "killed", "stopped"

#: LIVE: states in which a run takes commands. OVER: states of a run that has ended; only its folder remains.
LIVE = frozenset({STARTING, PAUSED, RUNNING, FINISHED})
OVER = frozenset({FAILED, KILLED, STOPPED})


@dataclass(frozen=True)
class Status:
    """State of a run at one moment.

    ``iteration`` of ``steps`` steps are done; ``steps_per_second`` is an average over about a second;
    ``loss`` is that of the latest step (nan before the first); ``message`` is the reply to the latest command
    or the reason for the state, one sentence or empty; ``saved`` is the iteration of the checkpoint in the
    folder (-1 without one).
    """

    state: str = STARTING
    iteration: int = 0
    steps: int = 0
    steps_per_second: float = 0.0
    device: str = ""
    loss: float = math.nan
    message: str = ""
    saved: int = -1

    @property
    def live(self) -> bool:
        """True while the run takes commands."""
        return self.state in LIVE

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dict, with None for numbers that are not finite."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


class Handle(ABC):
    """Control of one training run.

    Commands return at once and report failures in the status; only those of an `InlineHandle` return after
    the training that they ask for. ``experiment`` is the run's experiment and ``folder`` its folder; ``id``
    cannot be guessed. Methods may be called from any thread. A subclass implements `_command` (deliver a
    command) and `_give_time` (let the run proceed while waiting), and calls `_publish_status`,
    `_publish_snapshot`, `_return_credit` and `_acknowledge` with the run's replies.
    """

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.id = secrets.token_urlsafe(16)
        self.experiment, self.folder = experiment, Path(folder)
        self.last_access = time.monotonic()  # of a client, for the idle time-out
        self._lock = threading.Lock()
        self._status = Status(steps=experiment.steps)
        self._latest: tuple[int, Snapshot | None] = (0, None)
        self._requested = False
        self._waiting: SnapshotRequest | None = None
        self._sent, self._handled = 0, 0
        self._callbacks: dict[object, Callable[[], None]] = {}

    # ---- commands
    def run(self) -> None:
        """Train until the last step, or until `pause`."""
        self._send("run")

    def pause(self) -> None:
        """Pause after the current step, and write a checkpoint."""
        self._send("pause")

    def step(self, n: int = 1) -> None:
        """Train exactly ``n`` more steps, then pause."""
        self._send("step", int(n))

    def set(self, name: str, value: Any) -> None:
        """Change a live setting, such as ``learning_rate``; `Status.message` says if it was accepted."""
        self._send("set", str(name), value)

    def save(self) -> None:
        """Write a checkpoint now; `Status.saved` is its iteration."""
        self._send("save")

    def stop(self) -> None:
        """Save and end the run; its folder stays and can be resumed."""
        self._send("stop")

    def request(self, request: SnapshotRequest) -> None:
        """Request a snapshot. While one is being taken, further requests are merged into one that waits.

        The merged request asks for the views of all, at the newest observation, and for the training records
        since the earliest iteration that any of them names.
        """
        self.last_access = time.monotonic()
        with self._lock:
            if self._requested:
                self._waiting = _merged(self._waiting, request)
                return
            self._requested = True
        self._send("snapshot", request)

    # ---- state
    def status(self) -> Status:
        """Return the latest status; a new object after every change."""
        self.last_access = time.monotonic()
        return self._status

    def latest(self) -> tuple[int, Snapshot | None]:
        """Return the version, a counter, and the latest snapshot; (0, None) before the first one."""
        self.last_access = time.monotonic()
        return self._latest

    @property
    def live(self) -> bool:
        """True while the run takes commands. Reading it does not postpone the idle time-out."""
        return self._status.live

    @property
    def state(self) -> str:
        """Name of the state, as in `Status.state`. Reading it does not postpone the idle time-out."""
        return self._status.state

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback()``, from any thread, whenever there is a new status or snapshot.

        Returns a function that unsubscribes. The callback gets no data and must be quick: it should schedule
        an update and not do it. A callback that raises is removed.
        """
        key = object()
        with self._lock:
            self._callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return unsubscribe

    # ---- waiting: for tests, scripts and notebooks; a server never calls these
    def wait(self, *states: str, timeout: float = 60.0) -> Status:
        """Wait until all commands so far are executed and the state is one of ``states``; return the status.

        Without ``states``: until the run is neither starting nor training. Raises `RunError` after
        ``timeout`` seconds, or at once when the run has ended in another state.
        """
        targets = frozenset(states) or (LIVE | OVER) - {STARTING, RUNNING}
        return self.wait_for(
            lambda status: status.state in targets, timeout=timeout, what=" or ".join(states) or "at rest"
        )

    def wait_for(
        self, condition: Callable[[Status], bool], *, timeout: float = 60.0, what: str = "there"
    ) -> Status:
        """Wait until all commands so far are executed and ``condition(status)`` holds; return the status.

        Raises `RunError` after ``timeout`` seconds, or when the run has ended without fulfilling it; ``what``
        names the condition in that message.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                status, idle = self._status, self._handled >= self._sent
            if (idle or not status.live) and condition(status):
                return status
            if not status.live:
                raise RunError(f"The run is {status.state} and will not be {what}", found=status.message)
            if time.monotonic() > deadline:
                raise RunError(f"The run was not {what} within {timeout:g} seconds", found=str(status))
            self._give_time(min(0.02, timeout))

    def wait_snapshot(self, request: SnapshotRequest, *, timeout: float = 60.0) -> Snapshot:
        """Request a snapshot, wait for it and return it. Raises `RunError` after ``timeout`` seconds."""
        version = self.latest()[0]
        self.request(request)
        self.wait_for(lambda status: self._latest[0] > version, timeout=timeout, what="looked at")
        snapshot = self._latest[1]
        if snapshot is None:
            raise RunError("The run has no snapshot", found=str(self._status))
        return snapshot

    # ---- for subclasses
    @abstractmethod
    def _command(self, name: str, *arguments: Any) -> None:
        """Deliver a command to the run. Must not block and not raise."""

    @abstractmethod
    def _give_time(self, seconds: float) -> None:
        """Let the run proceed while waiting: sleep, or do a training step where no other process does."""

    def _send(self, name: str, *arguments: Any) -> None:
        self.last_access = time.monotonic()
        with self._lock:
            if not self._status.live:
                return
            self._sent += 1
        self._command(name, *arguments)

    def _acknowledge(self, handled: int) -> None:
        with self._lock:
            self._handled = max(self._handled, handled)

    def _publish_status(self, status: Status) -> None:
        if status != self._status:
            self._status = status
            self._wake()

    def _publish_snapshot(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._latest = (self._latest[0] + 1, snapshot)
        self._return_credit()
        self._wake()

    def _return_credit(self) -> None:
        with self._lock:
            request, self._waiting = self._waiting, None
            self._requested = request is not None
        if request is not None:
            self._send("snapshot", request)

    def _wake(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks.items())
        for key, callback in callbacks:
            try:
                callback()
            except Exception:  # a client that has gone must not keep the others from being notified
                with self._lock:
                    self._callbacks.pop(key, None)


class Backend(ABC):
    """Starts training runs, each with a `Handle`: in the caller's thread or in worker processes."""

    @abstractmethod
    def start(
        self,
        experiment: Experiment | None = None,
        *,
        folder: Path | str | None = None,
        device: str = "auto",
        resume: bool = False,
    ) -> Handle:
        """Start a new run, paused before its first step, or with ``resume`` the saved one in ``folder``.

        ``folder`` is the run's own folder; without it the run gets a new one among `workbench.training.Runs`.
        A run that ended before its first checkpoint is started again from step 0. Raises `WorkbenchError` for
        an impossible experiment, a missing folder, or a run that another process trains; later failures are
        reported in the handle's status.
        """

    @abstractmethod
    def close(self) -> None:
        """Save and stop all runs of this backend, and release its resources."""


def prepare(
    experiment: Experiment | None, folder: Path | str | None, *, resume: bool
) -> tuple[Experiment, RunFolder]:
    """Return experiment and folder of a run that is about to start, after all checks that need no network.

    Raises a `WorkbenchError` for an impossible experiment and for a folder that cannot be used.
    """
    if resume:
        return _prepare_old(folder)
    if experiment is None:
        raise RunError(
            "There is nothing to start",
            expected="an experiment, or folder=… with resume=True",
            found="neither",
        )
    experiment.check()
    if folder is None:
        return experiment, RunFolder.create()
    run_folder = RunFolder(folder)
    if run_folder.has_checkpoint:
        raise RunError(
            f"The folder '{run_folder.id}' already holds a run",
            expected="a new or an empty folder",
            found=str(run_folder.path),
            suggestion="choose another folder, or resume this run",
        )
    run_folder.path.mkdir(parents=True, exist_ok=True)
    return experiment, run_folder


def _prepare_old(folder: Path | str | None) -> tuple[Experiment, RunFolder]:
    if folder is None:
        raise RunError("A run is resumed from its folder", expected="folder=… of a saved run", found="none")
    run_folder = RunFolder(folder)
    experiment = run_folder.experiment()
    run_folder.refuse_elsewhere()
    return experiment, run_folder


def refuse_functions(experiment: Experiment) -> None:
    """Raise `IncompatibleError` for a problem defined by Python functions: no other process can load it."""
    problem = experiment.problem
    if problem.unavailable() and not hasattr(problem, "rows"):  # rows travel in the run's folder
        raise IncompatibleError(
            f"The problem '{problem.key}' cannot be sent to a worker process",
            expected="a problem that is made of settings or of data",
            found="functions that live in this process",
            suggestion="use InlineBackend or Run itself where the functions are",
        )


def _merged(waiting: SnapshotRequest | None, request: SnapshotRequest) -> SnapshotRequest:
    if waiting is None:
        return request
    views = tuple(dict.fromkeys((*waiting.views, *request.views)))
    observation = request.observation or waiting.observation
    return replace(request, views=views, observation=observation, since=min(waiting.since, request.since))
