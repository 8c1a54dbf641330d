"""Properties of worker processes: they die, can be killed, exit with the server, and stay within limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

import workbench
from workbench.backends import InlineBackend, Limits, ProcessBackend
from workbench.core.errors import IncompatibleError, RunError
from workbench.core.variable import Variable
from workbench.problems import SimulatorProblem, TableProblem
from workbench.snapshots import SnapshotRequest
from workbench.training import Experiment, RunFolder, Runs

from .test_handle import same_state

ROOT = Path(workbench.__file__).resolve().parent.parent


def until(condition, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_kill_9_shows_and_resume_equals_never_having_stopped(workers, experiment, tmp_path):
    handle = workers.start(experiment, folder=tmp_path / "runs" / "abc123")
    handle.step(10)
    handle.wait()
    handle.run()
    handle.wait_for(lambda status: status.iteration > 12)
    os.kill(handle.pid, signal.SIGKILL)
    assert until(lambda: not handle.live)
    status = handle.status()
    assert status.state == "killed" and status.saved == 10 and status.iteration > 10
    assert "signal KILL" in status.message and "checkpoint at step 10" in status.message
    info = Runs(tmp_path / "runs").list()[0]
    assert (info.state, info.message) == ("killed", status.message)
    handle.step(1)
    handle.request(SnapshotRequest())  # without effect
    continuation = workers.start(folder=handle.folder, resume=True)
    assert continuation.wait("paused").iteration == 10
    assert workers.start(folder=handle.folder, resume=True) is continuation  # one run, one worker
    continuation.step(30)
    continuation.wait()
    straight = InlineBackend().start(
        experiment, folder=tmp_path / "straight", device=continuation.status().device
    )
    straight.step(40)
    assert same_state(continuation.folder, straight.folder)
    os.kill(continuation.pid, signal.SIGTERM)  # as an operating system that shuts down: saved, and gone
    assert until(lambda: not continuation.live)
    assert continuation.status().state == "stopped" and "terminate" in continuation.status().message
    assert not psutil.pid_exists(handle.pid) and not psutil.pid_exists(continuation.pid)


def test_commands_of_a_hung_worker_return_at_once(workers, experiment, tmp_path):
    handle = workers.start(experiment, folder=tmp_path / "run")
    handle.wait("paused")
    os.kill(handle.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        for _ in range(5000):
            handle.set("learning_rate", 1e-3)
        assert time.monotonic() - start < 5.0
    finally:
        handle.kill()
    assert until(lambda: handle.state == "killed")


def test_a_worker_dies_with_its_server(tmp_path):
    script = textwrap.dedent(f"""
        import time
        from workbench.backends import ProcessBackend
        from workbench.training import Experiment
        experiment = Experiment("two_moons", "realnvp", steps=10**6)
        handle = ProcessBackend(warm=False).start(experiment, folder={str(tmp_path / "run")!r})
        handle.run()
        handle.wait_for(lambda status: status.iteration > 3)
        print(handle.pid, flush=True)
        time.sleep(600)
    """)  # no __main__ guard on purpose: a worker must not run the script again
    server = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with server:
        worker = int(server.stdout.readline())
        server.kill()
    assert until(lambda: not psutil.pid_exists(worker), 30.0)
    status = RunFolder(tmp_path / "run").status()
    assert status["state"] == "stopped" and status["saved"] == status["iteration"] > 3
    assert "has gone" in status["message"]


def test_a_backend_keeps_its_limits_and_leaves_no_process(experiment, tmp_path):
    before = set(psutil.Process().children(recursive=True))
    backend = ProcessBackend(warm=False, limits=Limits(workers=1, idle=0.1, wall_clock=1e-6))
    handle = backend.start(experiment, folder=tmp_path / "first")
    with pytest.raises(RunError, match="No worker is free"):
        backend.start(experiment, folder=tmp_path / "second")
    assert backend.get(handle.id) is handle and backend.get("guess") is None and backend.handles() == [handle]
    handle.run()
    status = handle.wait("paused")
    assert status.iteration == 1 and "at most" in status.message
    assert until(lambda: not handle.live)  # no client accesses it
    assert handle.status().state == "stopped" and "nobody" in handle.status().message
    backend.close()
    assert set(psutil.Process().children(recursive=True)) <= before
    with pytest.raises(RunError, match="was closed"):
        backend.start(experiment, folder=tmp_path / "third")


def test_an_unattended_paused_run_makes_room(experiment, tmp_path):
    backend = ProcessBackend(warm=False, limits=Limits(workers=1))
    first = backend.start(experiment, folder=tmp_path / "first")
    first.wait("paused")
    first.last_access -= 11.0  # an open page polls four times a second
    backend.start(experiment, folder=tmp_path / "next")
    assert until(lambda: not first.live)
    assert "make room" in first.status().message
    backend.close()


def test_tables_travel_and_functions_do_not(workers, tmp_path):
    random = np.random.default_rng(0)
    rows = {"a": random.normal(size=300), "b": random.normal(size=300)}
    table = TableProblem(pd.DataFrame(rows), x=["a", "b"])
    handle = workers.start(Experiment(table, "realnvp"), folder=tmp_path / "table")
    handle.step(2)
    assert handle.wait("paused").iteration == 2
    handle.stop()
    simulator = SimulatorProblem(
        prior=lambda n, generator: torch.rand(n, 2, generator=generator),
        simulate=lambda x: x[:, :1],
        x=[Variable("a"), Variable("b")],
        y=[Variable("c")],
    )
    with pytest.raises(IncompatibleError, match="InlineBackend"):
        workers.start(Experiment(simulator), folder=tmp_path / "simulator")
    assert not (tmp_path / "simulator").exists()


def test_a_server_never_touches_the_accelerator(workers):
    assert not torch.cuda.is_initialized()


def test_limits_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("WORKBENCH_IDLE_MINUTES", "2")
    assert Limits.from_environment().idle == 120.0
    monkeypatch.setenv("WORKBENCH_MAX_WORKERS", "many")
    with pytest.raises(RunError, match="WORKBENCH_MAX_WORKERS"):
        Limits.from_environment()
