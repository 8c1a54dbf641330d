"""Properties of runs in the caller's own thread."""

from __future__ import annotations

import os
import time

import pytest

from workbench.backends import InlineBackend
from workbench.core.errors import RunError
from workbench.training import Run, RunFolder, Runs
from workbench.training.ownership import since_boot


def test_an_eager_run_trains_before_it_returns(experiment, tmp_path):
    handle = InlineBackend().start(experiment.replace(steps=7), folder=tmp_path / "run")
    handle.step(2)
    assert handle.status().iteration == 2
    handle.run()
    assert handle.status().state == "finished" and handle.training_run.iteration == 7


def test_a_patient_run_trains_only_when_it_is_advanced(experiment, tmp_path):
    handle = InlineBackend(eager=False).start(experiment.replace(steps=7), folder=tmp_path / "run")
    handle.run()
    assert handle.status().iteration == 0
    assert handle.advance(5) == 5 and handle.status().iteration == 5
    assert handle.advance(5) == 2 and handle.advance(5) == 0


def test_a_callback_can_pause_an_eager_run(experiment, tmp_path):
    handle = InlineBackend().start(experiment, folder=tmp_path / "run")
    handle.subscribe(lambda: handle.pause() if handle.status().iteration == 5 else None)
    handle.run()
    assert handle.status().state == "paused" and handle.status().iteration == 5


def test_an_interrupt_rests_the_run_and_reaches_the_caller(experiment, tmp_path, monkeypatch):
    handle = InlineBackend().start(experiment, folder=tmp_path / "run")
    step = handle.training_run.step
    monkeypatch.setattr(
        handle.training_run,
        "step",
        lambda: step() if len(handle.training_run.history) < 3 else (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        handle.run()
    assert handle.status().state == "paused" and handle.status().iteration == 3


def test_a_missing_device_is_reported(experiment, tmp_path):
    handle = InlineBackend().start(experiment, folder=tmp_path / "run", device="cuda:77")
    assert handle.status().state == "failed" and "cuda:77" in handle.status().message


def test_a_checkpoint_that_cannot_be_written_ends_the_run_with_a_sentence(experiment, tmp_path):
    handle = InlineBackend().start(experiment, folder=tmp_path / "run")
    (handle.folder / "history.jsonl").unlink(missing_ok=True)
    (handle.folder / "history.jsonl").mkdir()
    handle.step(2)
    assert handle.status().state == "failed" and "history.jsonl" in handle.status().message
    assert "Found: is a directory. Name a file, not a folder." in handle.status().message


#: Signs of life of a writer that is gone; one without an attempt did not own the folder, or is older.
GONE = {
    "its lock is free": {"attempt": 1},
    "nobody": {"pid": 2**22 + 7},
    "a later process with the number": {"since_boot": -5.0},
    "a later process with the number, of an earlier version": {"since_boot": None, "time": 10.0},
    "another machine": {"host": "elsewhere", "attempt": 1},
    "another machine whose clock is an hour fast": {"host": "elsewhere", "time": time.time() + 3600},
}


@pytest.mark.parametrize("writer", GONE)
def test_a_run_whose_process_has_gone_is_killed(experiment, tmp_path, writer):
    handle = InlineBackend().start(experiment, folder=tmp_path / "runs" / "abc123")
    runs, folder = Runs(tmp_path / "runs"), RunFolder(handle.folder)
    assert runs.list()[0].state == "paused"
    handle.stop()
    folder.write_status("running", **GONE[writer])
    status = folder.path / "status.json"
    os.utime(status, (0.0, status.stat().st_mtime - 100))  # as long ago, by the clock of the disk
    assert runs.list()[0].state == "killed" and "last checkpoint" in runs.list()[0].message


@pytest.mark.parametrize("skew", [-3600.0, 0.0, 3600.0])
def test_a_run_that_lives_on_another_machine_is_left_alone_whatever_its_clock(experiment, tmp_path, skew):
    handle = InlineBackend().start(experiment, folder=tmp_path / "runs" / "abc123")
    handle.stop()
    folder, runs = RunFolder(handle.folder), Runs(tmp_path / "runs")
    for attempt in ({}, {"attempt": 1}):  # its lock may not be seen from here
        folder.write_status("running", host="elsewhere", time=time.time() + skew, **attempt)
        assert runs.list()[0].state == "running"
        with pytest.raises(RunError, match="already alive"):
            InlineBackend().start(folder=handle.folder, resume=True)
        with pytest.raises(RunError, match="already alive"):
            Run.resume(handle.folder)
        with pytest.raises(RunError, match="still alive"):
            runs.delete("abc123")


def test_a_run_of_another_process_on_this_machine_is_left_alone(experiment, tmp_path):
    handle = InlineBackend().start(experiment, folder=tmp_path / "run")
    handle.stop()
    parent = {"pid": os.getppid(), "since_boot": since_boot(os.getppid())}
    RunFolder(handle.folder).write_status("starting", **parent)
    with pytest.raises(RunError, match="already alive"):
        InlineBackend().start(folder=handle.folder, resume=True)
