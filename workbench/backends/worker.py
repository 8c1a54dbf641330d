"""Worker process: executes one run, controlled over a pipe. Started by `workbench.backends.process`.

Messages to the worker: first the order (a dict with folder, device and limits), then commands
``(name, *arguments)``; ``seen`` acknowledges a status. Messages from it: ``("status", status, handled)``,
``("snapshot", snapshot or None, handled)`` and at the end ``("over", status, handled)``; ``handled`` is the
number of executed commands. A status that differs from the previous one in iteration, loss or speed only is
sent after that one has been acknowledged, so that messages do not accumulate in the pipe.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from workbench.backends.base import STARTING, Status
from workbench.backends.operator import Operator
from workbench.training import Experiment, Run, RunFolder

#: Seconds between two polls of the pipe at rest, between two statuses that differ in iteration, loss or speed
#: only, and of grace for saving after the server has exited.
IDLE, REPORT_EVERY, GRACE = 0.2, 0.2, 15.0


def main() -> None:
    """Wait for the order of a run, execute the run and exit the process.

    Command-line arguments are the pipe's file descriptor and the server's process id.
    """
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then says stop
    connection = Connection(descriptor)
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    with suppress(EOFError, OSError):
        _warm_up(connection)
        order = connection.recv()
        _log_into(RunFolder(order["folder"]))
        Service(connection, order).serve()
    sys.stderr.flush()
    os._exit(0)  # everything is saved, and taking torch down in order takes seconds


class Service:
    """Main loop of a worker: alternates between messages on the pipe and training steps of its run."""

    def __init__(self, connection: Connection, order: dict[str, Any]) -> None:
        self._connection, self._handled = connection, 0
        self._terminated = False
        self._acknowledged, self._report_at = True, 0.0
        self._last_news: tuple[Any, ...] = ()
        self._last_status: Status | None = None
        for number in (signal.SIGTERM, signal.SIGHUP):  # SIGHUP: the terminal of the server was closed
            signal.signal(number, self._terminate)
        folder = RunFolder(order["folder"])
        self._operator = Operator(lambda: _make(folder, order), folder, wall_clock=order["wall_clock"])

    def serve(self) -> None:
        """Loop until the run has ended, the server has exited or the process receives SIGTERM."""
        operator = self._operator
        try:
            while operator.status.live:
                self._report()
                self._receive()
                self._send_snapshot()
                if operator.training:
                    operator.train_step()
                operator.maintain()
                if self._terminated:
                    operator.apply("stop", "The worker was told to terminate")
            self._connection.send(("over", operator.status, self._handled))
        except (EOFError, OSError):
            operator.apply("stop", "The server that watched this run has gone")

    def _receive(self) -> None:
        while self._connection.poll(0 if self._operator.busy else IDLE):
            name, *arguments = self._connection.recv()
            if name == "seen":
                self._acknowledged = True
                continue
            self._operator.apply(name, *arguments)
            self._handled += 1
            if not self._operator.status.live:
                return

    def _send_snapshot(self) -> None:
        if self._operator.snapshot_due:
            snapshot = self._operator.take_snapshot()
            if not self._operator.snapshot_due:
                self._connection.send(("snapshot", snapshot, self._handled))

    def _report(self) -> None:
        status, now = self._operator.status, time.monotonic()
        news = (status.state, status.message, status.saved, status.steps, self._handled)
        due = self._acknowledged and now > self._report_at + REPORT_EVERY
        if news != self._last_news or (due and status is not self._last_status):
            self._connection.send(("status", status, self._handled))
            self._last_news, self._last_status = news, status
            self._report_at, self._acknowledged = now, False

    def _terminate(self, *_: object) -> None:
        self._terminated = True


def _make(folder: RunFolder, order: dict[str, Any]) -> Run:
    folder.write_status(STARTING)
    if order["resume"] and folder.has_checkpoint:
        return Run.resume(folder, device=order["device"])
    run = Run(folder.experiment(), device=order["device"])
    run.folder = folder  # the server has written the experiment and its data already
    return run


def _warm_up(connection: Connection) -> None:
    """Train a small network for one step, unless an order waits already: torch then imports all its parts.

    This takes a second or more, which the first run would otherwise wait for.
    """
    if not connection.poll(0):
        with suppress(Exception):
            Run(Experiment("two_moons", "realnvp", training={"samples": 256}, steps=1), device="cpu").step()


def _log_into(folder: RunFolder) -> None:
    """Redirect this process's output, tracebacks of crashes in C included, to worker.log in the folder."""
    log = os.open(folder.path / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    os.close(log)
    faulthandler.enable()


def _exit_with_parent(parent: int) -> None:
    """Exit `GRACE` seconds after the server, even where a hanging step keeps the main thread busy."""
    while os.getppid() == parent:
        time.sleep(1.0)
    time.sleep(GRACE)
    os._exit(1)
