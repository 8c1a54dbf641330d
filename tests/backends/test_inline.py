"""Properties of runs in the caller's own thread."""

from __future__ import annotations

import os
import time

import pytest

from workbench.backends import InlineBackend
from workbench.core.errors import RunError
from workbench.training import RunFolder, Runs


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
    assert handle.status().state == "failed" and "IsADirectoryError" in handle.status().message


@pytest.mark.parametrize("writer", ["nobody", "a later process with the number", "another machine"])
def test_a_run_whose_process_has_gone_is_killed(experiment, tmp_path, writer):
    handle = InlineBackend().start(experiment, folder=tmp_path / "runs" / "abc123")
    runs, folder = Runs(tmp_path / "runs"), RunFolder(handle.folder)
    assert runs.list()[0].state == "paused"
    process = {
        "nobody": {"pid": 2**22 + 7},
        "a later process with the number": {"time": time.time() - 10**6},
        "another machine": {"host": "elsewhere", "time": time.time() - 100},
    }[writer]
    folder.write_status("running", **process)
    assert runs.list()[0].state == "killed"


def test_a_run_that_lives_elsewhere_is_left_alone(experiment, tmp_path):
    handle = InlineBackend().start(experiment, folder=tmp_path / "run")
    for elsewhere in ({"pid": os.getppid()}, {"host": "elsewhere"}):
        RunFolder(handle.folder).write_status("running", **elsewhere)
        with pytest.raises(RunError, match="already alive"):
            InlineBackend().start(folder=handle.folder, resume=True)
