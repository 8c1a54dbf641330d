"""Faults are injected into run folders, and what is lost is counted: two writers, flipped bits, a full disk,
skewed clocks, writers that are killed."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench
from workbench.backends import InlineBackend
from workbench.core.errors import RunError, RunWarning
from workbench.training import Experiment, Run, RunFolder, Runs, whole_files
from workbench.training import ownership as ownership_module
from workbench.training.folder import DiskFullError
from workbench.training.ownership import OwnershipError, lock_held, read_owner

ROOT = Path(workbench.__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment(
        "linear_gaussian",
        {"key": "realnvp", "settings": {"transforms": 2, "width": 4}},
        steps=400,
        training={"samples": 64, "batch_size": 16, "early_stopping": False, "validate_every": 100},
    )


@pytest.fixture
def folder(experiment, tmp_path) -> Path:
    """The folder of a run that was saved at steps 4 and 8."""
    run = Run(experiment, device="cpu", folder=tmp_path / "run")
    advance(run, 4).save()
    advance(run, 4).save()
    return tmp_path / "run"


def advance(run: Run, steps: int) -> Run:
    for _ in range(steps):
        run.step()
    return run


def lines(folder: Path, name: str = "history.jsonl") -> list[int]:
    """Iterations on disk, one for each line."""
    return [json.loads(line)["iteration"] for line in (folder / name).read_text().splitlines()]


def python(code: str, **options) -> subprocess.Popen:
    """Start an interpreter that says "ready" on a line of its own when ``code`` has got so far."""
    script = "import signal, sys, time\nimport workbench as wb\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@contextmanager
def owner_elsewhere(folder: Path) -> Iterator[subprocess.Popen]:
    """Another process that owns the folder: two threads of this one would share it. No torch is imported."""
    code = f"""
        from pathlib import Path
        from workbench.training.folder import RunFolder
        folder = RunFolder({str(folder)!r})
        folder.claim()
        folder.write_status("running", iteration=8)
        print("ready", flush=True)
        sys.stdin.readline()
    """
    process = python(code)
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


# ---- two writers
def test_a_run_that_trains_elsewhere_is_not_taken_over_and_is_once_its_process_is_killed(folder):
    before = Run.resume(folder, device="cpu")  # while nobody has it
    with owner_elsewhere(folder) as process:
        files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
        for attempt in (
            lambda: Run.resume(folder, device="cpu"),
            lambda: InlineBackend().start(folder=folder, resume=True),
            lambda: before.step(),
            lambda: before.save(),
            lambda: Run(before.experiment, device="cpu", folder=folder),
            lambda: RunFolder(folder).write_status("stopped"),
            lambda: Runs(folder.parent).delete("run"),
        ):
            with pytest.raises(RunError, match=r"alive"):
                attempt()
        assert lock_held(folder) is True
        assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files
        assert len(RunFolder(folder).open(device="cpu").history) == 8  # reading is allowed
        assert Runs(folder.parent).list()[0].state == "running"
        process.kill()
        process.wait()
        assert Runs(folder.parent).list()[0].state == "killed" and lock_held(folder) is False
    attempt_number = read_owner(folder)["attempt"]
    run = advance(Run.resume(folder, device="cpu"), 1)
    assert read_owner(folder)["attempt"] == attempt_number + 1 and run.iteration == 9


def test_of_two_objects_of_one_run_the_first_to_save_goes_on(folder):
    first, second = (Run.resume(folder, device="cpu") for _ in range(2))
    advance(first, 3), advance(second, 2)
    first.save()
    with pytest.raises(OwnershipError, match="has gone on elsewhere"):
        second.save()
    with pytest.raises(OwnershipError, match="has gone on elsewhere"):
        second.step()
    advance(first, 2).save()
    assert lines(folder) == list(range(1, 14)) and Run.resume(folder, device="cpu").iteration == 13


def test_a_resumed_copy_for_evaluation_does_not_disturb_the_run(folder, experiment, tmp_path):
    run = Run.resume(folder, device="cpu")
    advance(run, 2)
    copy = advance(Run.resume(folder, device="cpu"), 3)  # never saved
    assert copy.iteration == 11
    advance(run, 2).save()
    assert lines(folder) == list(range(1, 13))


def test_a_cut_off_owner_stops_where_locks_do_not_work(folder, monkeypatch):
    monkeypatch.setattr(ownership_module, "_locked", lambda path, seconds: None)
    old = advance(Run.resume(folder, device="cpu"), 2)
    old.save(state="running")
    assert old.folder.ownership.attempt == 2 and lock_held(folder) is True  # in this process
    # another machine takes the run over: as a claim there writes it
    (folder / "owner.json").write_text(
        json.dumps({"attempt": 3, "token": "b", "host": "elsewhere", "pid": 1})
    )
    before = lines(folder)
    with pytest.raises(OwnershipError, match="attempt 3 of process 1 on elsewhere"):
        advance(old, 2).save()
    with pytest.raises(OwnershipError):
        old.folder.write_status("running")
    assert lines(folder) == before


def test_an_operator_that_lost_its_run_leaves_the_folder_alone(folder):
    handle = InlineBackend().start(folder=folder, resume=True)
    handle.step(2)
    (folder / "owner.json").write_text(
        json.dumps({"attempt": 9, "token": "b", "host": "elsewhere", "pid": 1})
    )
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    handle.step(2)
    assert handle.status().state == "failed" and "goes on elsewhere" in handle.status().message
    handle.stop()
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == files


def test_a_forked_child_does_not_own_its_parents_run(folder):
    run = advance(Run.resume(folder, device="cpu"), 1)
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fork beside threads
        child = context.Process(target=lambda: os._exit(0 if not run.folder.ownership.held else 1))
        child.start()
        child.join()
    assert child.exitcode == 0 and run.folder.ownership.held


# ---- clocks
def test_an_hour_of_skew_changes_nothing_while_the_lock_is_held(folder):
    with owner_elsewhere(folder):
        path = folder / "status.json"
        for skew in (-7200, -3600, 3600):
            values = json.loads(path.read_text()) | {"time": time.time() + skew}
            path.write_text(json.dumps(values))
            os.utime(path, (time.time() + skew, time.time() + skew))
            assert Runs(folder.parent).list()[0].state == "running"
            with pytest.raises(RunError, match="still alive"):
                Runs(folder.parent).delete("run")


# ---- checkpoints
def test_every_flipped_bit_is_noticed_and_the_checkpoint_before_is_used(folder):
    data, state = (folder / "checkpoint.pt").read_bytes(), RunFolder(folder).checkpoint()
    random = np.random.default_rng(0)
    for position in random.integers(0, 8 * len(data), 40):
        content = bytearray(data)
        content[position // 8] ^= 1 << int(position % 8)
        (folder / "checkpoint.pt").write_bytes(content)
        with pytest.raises(RunError, match="latest checkpoint .* is damaged"):
            RunFolder(folder).checkpoint()
    with pytest.warns(RunWarning, match=r"damaged .*: the one before is used, at step 4\."):
        run = Run.resume(folder, device="cpu")
    assert run.iteration == 4 and [r.iteration for r in run.history] == [1, 2, 3, 4]
    assert run.events[-1]["kind"] == "checkpoint" and "at step 4" in run.events[-1]["message"]
    advance(run, 4)
    again = run.state_dict()
    assert all(torch.equal(state["model"][name], again["model"][name]) for name in state["model"])
    previous = (folder / "checkpoint-previous.pt").read_bytes()
    run.save()  # the damaged one does not take the place of the good one
    assert (folder / "checkpoint-previous.pt").read_bytes() == previous
    assert lines(folder) == list(range(1, 9)) and "at step 4" in (folder / "events.jsonl").read_text()
    assert Run.resume(folder, device="cpu").iteration == 8


@pytest.mark.parametrize("names", [("checkpoint.pt", "checkpoint-previous.pt"), ("checkpoint.pt",)])
def test_checkpoints_that_are_cut_off_or_gone(folder, names):
    for name in names:
        (folder / name).write_bytes((folder / name).read_bytes()[:-100])
    if len(names) == 2:
        with pytest.raises(RunError, match="latest checkpoint .* is damaged"):
            RunFolder(folder).open()
    for name in names:
        (folder / name).unlink()
    if len(names) == 2:
        with pytest.raises(RunError, match="no checkpoint yet"):
            RunFolder(folder).open()
    else:
        with pytest.warns(RunWarning, match="is missing"):
            assert RunFolder(folder).open(device="cpu").iteration == 4


def test_weights_that_are_not_finite_are_refused(folder, experiment):
    run = Run.resume(folder, device="cpu")
    with torch.no_grad():
        next(run.model.parameters()).view(-1)[0] = float("nan")
    run.save()
    with pytest.warns(RunWarning, match="1 of .* are not finite"):
        again = Run.resume(folder, device="cpu")
    assert again.iteration == 8
    again.save()
    assert Run.resume(folder, device="cpu").iteration == 8
    with pytest.raises(RunError, match="weights are not usable"):
        Run(experiment, device="cpu").load_state_dict(run.state_dict())


def test_an_older_checkpoint_without_a_digest_is_loaded_and_kept(folder):
    for name in ("checkpoint.sha256", "checkpoint-previous.pt"):
        (folder / name).unlink()
    old = (folder / "checkpoint.pt").read_bytes()
    advance(Run.resume(folder, device="cpu"), 1).save()
    assert (folder / "checkpoint-previous.pt").read_bytes() == old
    (folder / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.warns(RunWarning):
        assert Run.resume(folder, device="cpu").iteration == 8


@pytest.mark.parametrize("step", range(1, 7))
def test_a_crash_between_any_two_files_of_a_save_loses_that_save_alone(folder, step, monkeypatch):
    run = advance(Run.resume(folder, device="cpu"), 3)
    replace, count = os.replace, 0

    def crash(source, target) -> None:
        nonlocal count
        count += 1
        if count == step:
            raise KeyboardInterrupt  # nothing in the way catches it
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        run.save()
    monkeypatch.undo()
    again = Run.resume(folder, device="cpu")  # no warning
    assert again.iteration == (8 if step <= 5 else 11) and len(again.history) == again.iteration


# ---- what killed writers leave
def test_temporary_files_are_swept_by_the_next_owner(folder):
    temporary = [folder / ".checkpoint.pt.0a1b2c3d", folder / "data" / ".table.parquet.ffffffff"]
    own = [folder / ".notes", folder / "notes.0a1b2c3d"]
    (folder / "data").mkdir(exist_ok=True)
    for path in temporary + own:
        path.write_text("half")
    Run.resume(folder, device="cpu")
    assert all(path.exists() for path in temporary)
    Run.resume(folder, device="cpu").step()
    assert not any(path.exists() for path in temporary) and all(path.exists() for path in own)


def test_parts_of_an_export_are_swept_by_the_next_one_when_they_are_an_hour_old(tmp_path):
    old, new, other = (
        tmp_path / f".{name}" for name in ("a.zip.00000000", "a.zip.11111111", "b.zip.22222222")
    )
    for path, age in ((old, 3700), (new, 60), (other, 3700)):
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    whole_files.write_whole(tmp_path / "a.zip", b"whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [new.name, other.name, "a.zip"]


def test_exports_of_the_pages_are_swept_after_a_day(tmp_path, monkeypatch):
    from workbench.ui.process_pool import transfer_folder

    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    exports = transfer_folder("exports")
    for name, hours in (("old.zip", 25), (".old.zip.00000000", 25), ("new.zip", 23)):
        (exports / name).write_text("x")
        os.utime(exports / name, (time.time() - 3600 * hours,) * 2)
    transfer_folder("exports")
    assert [path.name for path in exports.iterdir()] == ["new.zip"]


def test_a_run_that_was_killed_before_its_first_checkpoint_says_so_and_starts_again(experiment, tmp_path):
    run_folder = RunFolder(tmp_path / "runs" / "abc123")
    run_folder.write_experiment(experiment)
    run_folder.write_status("starting", pid=2**22 + 7)
    (info,) = Runs(tmp_path / "runs").list()
    assert info.state == "killed" and "before its first checkpoint" in info.message
    assert "from step 0" in info.message and "last checkpoint" not in info.message
    handle = InlineBackend().start(folder=run_folder.path, resume=True, device="cpu")
    handle.step(3)
    assert (handle.status().state, handle.status().iteration) == ("paused", 3)
    handle.stop()


# ---- a full disk
@contextmanager
def full_disk(monkeypatch, number: int = errno.ENOSPC, *, room: int = 0) -> Iterator[None]:
    """A disk on which files above ``room`` bytes cannot be written once the reserve is not there."""
    real = open

    class Full:
        def __init__(self, stream) -> None:
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *error) -> None:
            self.stream.close()

        def write(self, data) -> int:
            reserve = any(Path(self.stream.name).parent.glob(".reserve"))
            if len(data) > room or reserve:
                self.stream.write(data[: len(data) // 2])
                self.stream.flush()
                raise OSError(number, os.strerror(number))
            return self.stream.write(data)

        def __getattr__(self, name):
            return getattr(self.stream, name)

    def limited(path, mode="r", *rest, **options):
        stream = real(path, mode, *rest, **options)
        return stream if mode in ("r", "rb") else Full(stream)

    with monkeypatch.context() as patch:
        patch.setattr(whole_files, "open", limited, raising=False)
        yield


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_pauses_the_run_which_goes_on_once_there_is_room(folder, number, monkeypatch):
    handle = InlineBackend().start(folder=folder, resume=True, device="cpu")
    assert (folder / ".reserve").stat().st_size == 65536
    with full_disk(monkeypatch, number, room=2000):
        handle.step(3)
        status = handle.status()
        assert status.state == "paused" and status.iteration == 11 and status.saved == 8
        assert "leaves no room" in status.message and "Paused at step 11" in status.message
        on_disk = RunFolder(folder).status()
        assert (on_disk["state"], on_disk["message"]) == ("paused", status.message)
        assert Run.resume(folder, device="cpu").iteration == 8  # the checkpoint is whole
    handle.step(2)
    assert (handle.status().state, handle.status().saved) == ("paused", 13)
    assert lines(folder) == list(range(1, 14)) and (folder / ".reserve").exists()
    handle.stop()
    assert not (folder / ".reserve").exists()


def test_a_run_that_cannot_be_saved_at_its_end_says_so_on_disk(folder, monkeypatch):
    handle = InlineBackend().start(folder=folder, resume=True, device="cpu")
    with full_disk(monkeypatch, room=9000):
        handle.step(3)
        handle.stop()
    on_disk = RunFolder(folder).status()
    assert on_disk["state"] == handle.status().state == "failed" and "leaves no room" in on_disk["message"]
    assert "DiskFullError" in (folder / "error.txt").read_text()
    assert Run.resume(folder, device="cpu").iteration == 8


def test_saving_on_a_full_disk_is_an_error_and_can_be_repeated(folder, monkeypatch):
    run = advance(Run.resume(folder, device="cpu"), 2)
    with full_disk(monkeypatch), pytest.raises(DiskFullError, match="leaves no room"):
        run.save()
    run.save()
    assert lines(folder) == list(range(1, 11)) and Run.resume(folder, device="cpu").iteration == 10


def test_half_a_line_of_a_full_disk_is_taken_back(folder, monkeypatch):
    run = Run.resume(folder, device="cpu")
    advance(run, 1).save(state="running")
    before = (folder / "history.jsonl").read_bytes()
    with full_disk(monkeypatch), pytest.raises(DiskFullError):
        advance(run, 5).save(state="running")
    assert (folder / "history.jsonl").read_bytes() == before
