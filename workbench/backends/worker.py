"""The worker process: one run, driven over a pipe. Started by `workbench.backends.process`, never by hand.

Messages to the worker: first the order (a dict), then ``(name, *arguments)``; ``seen`` only says that the
last status has arrived. Messages from it: ``("status", status, handled)``, ``("snapshot", snapshot or None,
handled)`` and at the very end ``("over", status, handled)``; ``handled`` counts the commands carried out.
A status without news waits until the one before has been seen, so nothing can pile up in the pipe.
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

from workbench.backends.base import STARTING
from workbench.backends.operator import Operator
from workbench.training import Experiment, Run, RunFolder

#: Seconds between two looks at the pipe at rest, between two statuses without news, and of grace for saving
#: when the server is gone.
IDLE, REPORT_EVERY, GRACE = 0.2, 0.2, 15.0


def main() -> None:
    """Wait for an order, carry it out, leave. Arguments: the pipe's descriptor and the server's process."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then says stop
    connection = Connection(descriptor)
    threading.Thread(target=_outlive_no_parent, args=(parent,), daemon=True).start()
    with suppress(EOFError, OSError):
        _rehearse(connection)
        order = connection.recv()
        _log_into(RunFolder(order["folder"]))
        Service(connection, order).serve()
    sys.stderr.flush()
    os._exit(0)  # everything is saved, and taking torch down in order takes seconds


class Service:
    """Alternates between the pipe and the run."""

    def __init__(self, connection: Connection, order: dict) -> None:
        self._connection, self._handled = connection, 0
        self._terminated = False
        self._seen, self._told, self._told_at, self._last = True, None, 0.0, None
        signal.signal(signal.SIGTERM, self._terminate)
        folder = RunFolder(order["folder"])
        folder.write_status(STARTING)
        self._operator = Operator(lambda: _make(folder, order), folder, wall_clock=order["wall_clock"])

    def serve(self) -> None:
        """Until the run is over, the server is gone or the process is told to terminate."""
        operator = self._operator
        try:
            while operator.status.live:
                self._report()
                self._receive()
                self._answer()
                if operator.training:
                    operator.turn()
                operator.keep()
                if self._terminated:
                    operator.apply("stop", "The worker was told to terminate")
            self._connection.send(("over", operator.status, self._handled))
        except (EOFError, OSError):
            operator.apply("stop", "The server that watched this run has gone")

    def _receive(self) -> None:
        while self._connection.poll(0 if self._operator.busy else IDLE):
            name, *arguments = self._connection.recv()
            if name == "seen":
                self._seen = True
                continue
            self._operator.apply(name, *arguments)
            self._handled += 1
            if not self._operator.status.live:
                return

    def _answer(self) -> None:
        if self._operator.owes:
            snapshot = self._operator.answer()
            if not self._operator.owes:
                self._connection.send(("snapshot", snapshot, self._handled))

    def _report(self) -> None:
        status, now = self._operator.status, time.monotonic()
        news = (status.state, status.message, status.saved, status.steps, self._handled)
        due = self._seen and now > self._told_at + REPORT_EVERY and status is not self._last
        if news != self._told or due:
            self._connection.send(("status", status, self._handled))
            self._told, self._told_at, self._last, self._seen = news, now, status, False

    def _terminate(self, *_: object) -> None:
        self._terminated = True


def _make(folder: RunFolder, order: dict) -> Run:
    if order["resume"]:
        return Run.resume(folder, device=order["device"])
    run = Run(folder.experiment(), device=order["device"])
    run.folder = folder  # the server has written the experiment and its data already
    return run


def _rehearse(connection: Connection) -> None:
    """A first step makes torch import its parts, for a second or more; an idle worker does it beforehand."""
    if not connection.poll(0):
        with suppress(Exception):
            Run(Experiment("two_moons", "realnvp", training={"samples": 256}, steps=1), device="cpu").step()


def _log_into(folder: RunFolder) -> None:
    """Whatever this process prints, crashes in C included, goes to the run's own folder."""
    log = os.open(folder.path / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log, stream.fileno())
    os.close(log)
    faulthandler.enable()


def _outlive_no_parent(parent: int) -> None:
    """The pipe's end says that the server is gone; where a step hangs, this ends it all the same."""
    while os.getppid() == parent:
        time.sleep(1.0)
    time.sleep(GRACE)
    os._exit(1)
