"""Training in worker processes, one per run, which isolates the server from torch, CUDA and crashes.

A worker is a fresh interpreter (never a fork, which would inherit threads and CUDA), started with its own
command line. `multiprocessing` with spawn would import the server's ``__main__`` again in each worker: under
``panel serve`` that costs two seconds and 40 MB each, and a script without a guard could not start any. One
idle worker is kept in reserve, because most of the start-up time is the import of torch.
"""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import workbench
from workbench.backends.base import (
    FINISHED,
    KILLED,
    PAUSED,
    STARTING,
    Backend,
    Handle,
    Status,
    prepare,
    refuse_functions,
)
from workbench.core.errors import RunError

if TYPE_CHECKING:
    from workbench.training import Experiment, RunFolder

#: Seconds that a worker may take to save and stop before it is killed.
PATIENCE = 15.0
#: Delay in seconds before the next idle worker is started, so that the starting run has priority.
REFILL_AFTER = 3.0
_SWEEP_EVERY = 5.0
#: Seconds without an access after which a run counts as unattended (an open page polls four times a second).
_UNATTENDED_AFTER = 10.0
_CODE = "import os; os.nice(5); from workbench.backends.worker import main; main()"


@dataclass(frozen=True)
class Limits:
    """Limits of one server on its runs.

    ``workers`` is the largest number of live workers, ``idle`` the seconds without access after which a
    paused or finished run is saved and stopped, ``wall_clock`` the seconds of training after which a run is
    paused.
    """

    workers: int = 8
    idle: float = 1800.0
    wall_clock: float = math.inf

    @classmethod
    def from_environment(cls) -> Limits:
        """Read ``WORKBENCH_MAX_WORKERS``, ``WORKBENCH_IDLE_MINUTES`` and ``WORKBENCH_MAX_TRAINING_MINUTES``.

        Raises `RunError` for a value that is not a positive number.
        """
        return cls(
            int(_number("WORKBENCH_MAX_WORKERS", cls.workers)),
            60 * _number("WORKBENCH_IDLE_MINUTES", cls.idle / 60),
            60 * _number("WORKBENCH_MAX_TRAINING_MINUTES", cls.wall_clock),
        )


def _number(name: str, default: float) -> float:
    try:
        value = float(os.environ.get(name) or default)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise RunError(
            f"The environment variable {name} is not usable",
            expected="a number above 0",
            found=repr(os.environ.get(name)),
        )
    return value


class _Worker:
    """A worker process that waits for a run, and the pipe to it."""

    def __init__(self) -> None:
        if not hasattr(os, "getppid") or os.name != "posix":
            raise RunError(
                "Worker processes need Linux or macOS",
                found=sys.platform,
                suggestion="use InlineBackend, or the Windows Subsystem for Linux",
            )
        self.connection, remote = multiprocessing.Pipe()
        with remote:
            command = [sys.executable, "-P", "-c", _CODE, str(remote.fileno()), str(os.getpid())]
            self.process = subprocess.Popen(
                command, env=_environment(), pass_fds=(remote.fileno(),), stdin=subprocess.DEVNULL
            )

    @property
    def alive(self) -> bool:
        """True while the process exists."""
        return self.process.poll() is None

    def dismiss(self) -> None:
        """Kill a worker that has no run, and so nothing to save."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


def _environment() -> dict[str, str]:
    """Return the environment variables of a worker: the server's, with import path and number of threads.

    One thread by default: on cores shared with other work, two threads train small networks ten times slower
    (they spin while they wait for each other), and on free cores only a fifth faster. ``WORKBENCH_THREADS``
    sets the number, for wide networks on many cores.
    """
    package = str(Path(workbench.__file__).resolve().parent.parent)
    path = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = os.environ.get("WORKBENCH_THREADS") or os.environ.get("OMP_NUM_THREADS") or "1"
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": threads}


class ProcessHandle(Handle):
    """A handle to a run in a worker process.

    It has two threads: one writes commands, so that no caller waits for the pipe; the other reads the
    worker's replies and is the only one that replaces status and snapshot.
    """

    def __init__(
        self, experiment: Experiment, folder: RunFolder, worker: _Worker, order: dict[str, Any]
    ) -> None:
        super().__init__(experiment, folder.path)
        self._run_folder, self._process = folder, worker.process
        self._connection: Connection = worker.connection
        self._final: Status | None = None
        self._stop_by = math.inf
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._outbox.put(order)
        for target in (self._write, self._read):
            threading.Thread(target=target, name=f"{target.__name__}-{self.id[:6]}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def stop_because(self, reason: str) -> None:
        """Save and end the run; ``reason`` goes into `Status.message`."""
        self._send("stop", reason)

    def kill(self) -> None:
        """Kill the worker process without saving."""
        self._process.kill()

    def _command(self, name: str, *arguments: Any) -> None:
        if name == "stop":
            self._stop_by = min(self._stop_by, time.monotonic() + PATIENCE)
        self._outbox.put((name, *arguments))

    def _give_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def _write(self) -> None:
        with suppress(OSError, ValueError):  # the reader handles a worker that has gone
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)

    def _read(self) -> None:
        try:
            while True:
                if self._connection.poll(0.5):
                    self._receive(*self._connection.recv())
                elif time.monotonic() > self._stop_by:
                    self.kill()
        except (EOFError, OSError):
            pass
        self._conclude()

    def _receive(self, kind: str, content: Any, handled: int) -> None:
        self._acknowledge(handled)
        if kind == "over":
            self._final = content
        elif kind == "status":
            self._publish_status(content)
            self._outbox.put(("seen",))
        elif content is None:
            self._return_credit()
        else:
            self._publish_snapshot(content)

    def _conclude(self) -> None:
        """After the pipe was closed, wait for the process to exit and publish the run's final status.

        A run whose worker sent no final status has the state "killed".
        """
        try:
            code = self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._outbox.put(None)
        status = self._final
        if status is None:
            status = replace(
                self._status, state=KILLED, steps_per_second=0.0, message=self._death_message(code)
            )
            with suppress(OSError, RunError):
                writers = (self._process.pid, os.getpid())  # another one: the run goes on elsewhere
                if self._run_folder.status().get("pid") in writers:
                    self._run_folder.write_status(**status.to_json())
        self._publish_status(status)
        self._connection.close()

    def _death_message(self, code: int) -> str:
        if time.monotonic() > self._stop_by:
            why = f"it did not stop within {PATIENCE:.0f} seconds"
        elif code == -signal.SIGKILL:
            why = "signal KILL: it was ended from outside, or the machine ran out of memory"
        else:
            name = signal.Signals(-code).name[3:] if code < 0 else ""
            why = f"signal {name}, see worker.log" if name else f"exit code {code}, see worker.log"
        at = f"step {self._status.saved}" if self._status.saved >= 0 else "an earlier step"
        rest = (
            f"Resume goes on from the checkpoint at {at}"
            if self._run_folder.has_checkpoint
            else "There is no checkpoint yet: resume starts again from step 0"
        )
        return f"The worker was killed at step {self._status.iteration} ({why}). {rest}."


class ProcessBackend(Backend):
    """Execution in worker processes, one per run, within limits.

    With ``warm`` one idle worker is kept in reserve, so that the next run starts at once.
    """

    def __init__(self, *, warm: bool = True, limits: Limits | None = None) -> None:
        self.limits = limits or Limits.from_environment()
        self._warm = warm
        self._idle: _Worker | None = None
        self._handles: dict[str, ProcessHandle] = {}
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._sweeper: threading.Thread | None = None
        atexit.register(self.close)

    def warm_up(self) -> None:
        """Start an idle worker for the next run; returns at once."""
        with self._lock:
            if self._warm and not self._closed.is_set() and (self._idle is None or not self._idle.alive):
                self._idle = _Worker()

    def start(
        self,
        experiment: Experiment | None = None,
        *,
        folder: Path | str | None = None,
        device: str = "auto",
        resume: bool = False,
    ) -> ProcessHandle:
        """Start or resume a run as `Backend.start` does; for a run that is still live, return its handle.

        When all workers that the limits allow are taken, the paused or finished run that has gone longest
        without an access is saved and stopped; raises `RunError` where every run is training or in use.
        """
        with self._lock:
            existing = self._of(folder) if resume and folder is not None else None
            if existing is not None:
                return existing
            self._make_room()
            if experiment is not None:
                refuse_functions(experiment)
            experiment, run_folder = prepare(experiment, folder, resume=resume)
            if not resume:
                run_folder.write_experiment(experiment)
                run_folder.write_status(STARTING)
            order = {
                "folder": str(run_folder.path.resolve()),
                "device": device,
                "resume": resume,
                "wall_clock": self.limits.wall_clock,
            }
            handle = ProcessHandle(experiment, run_folder, self._take_worker(), order)
            self._handles[handle.id] = handle
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
                self._sweeper.start()
            return handle

    def get(self, id: str) -> ProcessHandle | None:
        """Return the handle with this id, or None.

        The handle of a run that has ended is kept until nobody has used it for `Limits.idle` seconds.
        """
        with self._lock:
            return self._handles.get(id)

    def handles(self) -> list[ProcessHandle]:
        """Return all handles in the order of their start, those of runs that ended lately included."""
        with self._lock:
            return list(self._handles.values())

    def close(self) -> None:
        """Save and stop every run, wait until the workers have exited, and end the idle one."""
        self._closed.set()
        atexit.unregister(self.close)
        with self._lock:
            idle, self._idle = self._idle, None
        if idle is not None:
            idle.dismiss()
        live = [handle for handle in self.handles() if handle.live]
        for handle in live:
            handle.stop_because("The server was closed")
        deadline = time.monotonic() + PATIENCE + 1
        while any(handle.live for handle in live) and time.monotonic() < deadline:
            time.sleep(0.02)

    # ---- internals
    def _of(self, folder: Path | str) -> ProcessHandle | None:
        path = Path(folder).resolve()
        return next((h for h in self._handles.values() if h.live and h.folder.resolve() == path), None)

    def _take_worker(self) -> _Worker:
        if self._closed.is_set():
            raise RunError("This backend was closed", suggestion="make a new ProcessBackend")
        worker, self._idle = self._idle, None
        if worker is None or not worker.alive:
            worker = _Worker()
        if self._warm:
            timer = threading.Timer(REFILL_AFTER, self.warm_up)
            timer.daemon = True
            timer.start()
        return worker

    def _make_room(self) -> None:
        live = [handle for handle in self._handles.values() if handle.live]
        if len(live) < self.limits.workers:
            return
        candidates = [h for h in live if h.state in (PAUSED, FINISHED) and _idle_time(h) > _UNATTENDED_AFTER]
        if not candidates:
            raise RunError(
                "No worker is free for another run",
                found=f"{len(live)} runs in the works",
                expected=f"at most {self.limits.workers}",
                suggestion="stop one of them, or wait until one has finished and is left",
            )
        max(candidates, key=_idle_time).stop_because("Stopped to make room for another run")

    def _sweep(self) -> None:
        while not self._closed.wait(_SWEEP_EVERY):
            for handle in self.handles():
                if _idle_time(handle) < self.limits.idle:
                    continue
                if not handle.live:
                    with self._lock:
                        self._handles.pop(handle.id, None)
                elif handle.state in (PAUSED, FINISHED):
                    handle.stop_because("Stopped because nobody had looked for a while")


def _idle_time(handle: Handle) -> float:
    """Return the seconds since the last access to a run."""
    return time.monotonic() - handle.last_access
