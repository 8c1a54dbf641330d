"""A run as it is seen from outside: a `Backend` starts it, a `Handle` steers it and looks at it.

The one who looks asks and is never pushed. Commands return at once; what became of them stands in
`Handle.status`. A snapshot is asked for with `Handle.request`, of which at most one is under way
(a credit, not a queue), and is picked up with `Handle.latest` when its version has changed.
`Handle.subscribe` only says *that* something is new.
"""

from __future__ import annotations

import math
import os
import platform
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.core.errors import IncompatibleError, RunError
from workbench.snapshots import Snapshot, SnapshotRequest
from workbench.training import Experiment, RunFolder

STARTING, PAUSED, RUNNING, FINISHED = "starting", "paused", "running", "finished"
FAILED, KILLED, STOPPED = "failed", "killed", "stopped"

#: States in which there is a run that takes commands, and states in which there is only its folder left.
LIVE = frozenset({STARTING, PAUSED, RUNNING, FINISHED})
OVER = frozenset({FAILED, KILLED, STOPPED})


@dataclass(frozen=True)
class Status:
    """What is known of a run now.

    ``iteration`` of ``steps`` steps are done; ``steps_per_second`` is over the last second or so;
    ``loss`` is the last one (nan before the first step); ``message`` is the answer to the last
    command or the reason of the state, one sentence or empty; ``saved`` is the iteration of the
    checkpoint in the folder (-1: none known).
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
        """Whether commands still reach the run."""
        return self.state in LIVE


class Handle(ABC):
    """Steers one run. Commands never raise for the run's sake, and return at once (but inline, where
    somebody has to do the training).

    ``experiment`` is what was started and ``folder`` where it is kept; ``id`` cannot be guessed. Methods
    may be called from any thread. A subclass brings `_command` (take a command to the run) and
    `_give_time` (what `wait` does between two looks); it calls `_publish_status`, `_publish_snapshot`,
    `_return_credit` and `_acknowledge` with what the run answers.
    """

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self.id = secrets.token_urlsafe(16)
        self.experiment, self.folder = experiment, Path(folder)
        self.looked_at = time.monotonic()  # for the idle time-out: when somebody last asked for anything
        self._lock = threading.Lock()
        self._status = Status(steps=experiment.steps)
        self._latest: tuple[int, Snapshot | None] = (0, None)
        self._asked, self._waiting = False, None
        self._sent, self._handled = 0, 0
        self._callbacks: dict[object, Callable[[], None]] = {}

    # ---- commands
    def run(self) -> None:
        """Train until the last step, or until `pause`."""
        self._send("run")

    def pause(self) -> None:
        """Stop after the step that is under way, and save."""
        self._send("pause")

    def step(self, n: int = 1) -> None:
        """Train exactly ``n`` more steps, then pause."""
        self._send("step", int(n))

    def set(self, name: str, value: Any) -> None:
        """Change a live setting, such as ``learning_rate``. The answer or refusal is the status' message."""
        self._send("set", str(name), value)

    def save(self) -> None:
        """Write a checkpoint now; `Status.saved` is its iteration."""
        self._send("save")

    def stop(self) -> None:
        """Save and let the run go; its folder stays and can be resumed."""
        self._send("stop")

    def request(self, request: SnapshotRequest) -> None:
        """Ask for a snapshot. While one is under way, further requests are merged into one that waits.

        Merged: all views of both, the newer observation, the records since the earlier of both.
        """
        self.looked_at = time.monotonic()
        with self._lock:
            if self._asked:
                self._waiting = _merged(self._waiting, request)
                return
            self._asked = True
        self._send("snapshot", request)

    # ---- looking
    def status(self) -> Status:
        """The last known status; a new object whenever something changed."""
        self.looked_at = time.monotonic()
        return self._status

    def latest(self) -> tuple[int, Snapshot | None]:
        """The version of the last snapshot and the snapshot; version 0 and None before the first one."""
        self.looked_at = time.monotonic()
        return self._latest

    @property
    def live(self) -> bool:
        """Whether commands still reach the run. Does not count as looking at it."""
        return self._status.live

    @property
    def state(self) -> str:
        """The state alone. Does not count as looking at it."""
        return self._status.state

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback()`` when status or snapshot are new, from any thread; returns how to unsubscribe.

        The callback carries no data and must be quick: schedule a look, don't look. One that raises is
        dropped.
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
        """Wait until all commands so far are carried out and the state is one of ``states``.

        Without ``states``: until nothing is being trained. RunError after ``timeout`` seconds, or at
        once when the run is over and the state cannot come any more.
        """
        wanted = frozenset(states) or (LIVE | OVER) - {STARTING, RUNNING}
        return self.wait_for(
            lambda status: status.state in wanted, timeout=timeout, what=" or ".join(states) or "at rest"
        )

    def wait_for(
        self, condition: Callable[[Status], bool], *, timeout: float = 60.0, what: str = "there"
    ) -> Status:
        """Wait until all commands so far are carried out and ``condition(status)`` holds."""
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                status, settled = self._status, self._handled >= self._sent
            if (settled or not status.live) and condition(status):
                return status
            if not status.live:
                raise RunError(f"The run is {status.state} and will not be {what}", found=status.message)
            if time.monotonic() > deadline:
                raise RunError(f"The run was not {what} within {timeout:g} seconds", found=str(status))
            self._give_time(min(0.02, timeout))

    def wait_snapshot(self, request: SnapshotRequest, *, timeout: float = 60.0) -> Snapshot:
        """Ask for a snapshot and wait for it."""
        version = self.latest()[0]
        self.request(request)
        self.wait_for(lambda status: self._latest[0] > version, timeout=timeout, what="looked at")
        return self._latest[1]

    # ---- for subclasses
    @abstractmethod
    def _command(self, name: str, *arguments: Any) -> None:
        """Take a command to the run. Must not block and not raise."""

    @abstractmethod
    def _give_time(self, seconds: float) -> None:
        """What is done while waiting: sleep, or train where nobody else does."""

    def _send(self, name: str, *arguments: Any) -> None:
        self.looked_at = time.monotonic()
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
            self._asked = request is not None
        if request is not None:
            self._send("snapshot", request)

    def _wake(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks.items())
        for key, callback in callbacks:
            try:
                callback()
            except Exception:  # a session that is gone must not stop the others from hearing
                with self._lock:
                    self._callbacks.pop(key, None)


class Backend(ABC):
    """Where runs live."""

    @abstractmethod
    def start(
        self,
        experiment: Experiment | None = None,
        *,
        folder: Path | str | None = None,
        device: str = "auto",
        resume: bool = False,
    ) -> Handle:
        """A new run, paused before its first step, or with ``resume`` the one in ``folder``, as saved.

        ``folder`` is the run's own folder; without it the run gets a new one among `workbench.training.Runs`.
        Raises `WorkbenchError` at once for what can be seen at once (an impossible experiment, a missing
        folder); what shows later is the handle's status.
        """

    @abstractmethod
    def close(self) -> None:
        """Save and stop what was started here, and let go of whatever else is kept."""


def prepare(
    experiment: Experiment | None, folder: Path | str | None, *, resume: bool
) -> tuple[Experiment, RunFolder]:
    """Experiment and folder of a run that is about to start, after the checks that need no network."""
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
    experiment, status = run_folder.experiment(), run_folder.status()
    own = (status.get("host"), status.get("pid")) == (platform.node(), os.getpid())
    if status["state"] in (STARTING, PAUSED, RUNNING) and not own:
        raise RunError(
            f"Run '{run_folder.id}' is already alive",
            expected="a run whose process has ended",
            found=f"{status['state']} in process {status.get('pid')}",
            suggestion="look at it there, or stop it first",
        )
    return experiment, run_folder


def refuse_functions(experiment: Experiment) -> None:
    """A problem made of the user's own functions lives where it was made; it cannot go to another process."""
    problem = experiment.problem
    if problem.unavailable():
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
