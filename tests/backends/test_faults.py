"""Processes that train are ended in every way, two servers want one run, a disk is full: what is lost is
counted."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import workbench
from workbench.backends import InlineBackend, ProcessBackend
from workbench.core.errors import RunError
from workbench.training import Run, RunFolder, Runs

from .test_process import until

ROOT = Path(workbench.__file__).resolve().parent.parent


def history(folder: Path) -> list[int]:
    """Iterations on disk, one for each line."""
    return [json.loads(line)["iteration"] for line in (folder / "history.jsonl").read_text().splitlines()]


def python(code: str, **options) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    script = (
        "import sys\nimport workbench as wb\nfrom workbench.core.errors import RunError\n"
        + textwrap.dedent(code)
    )
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, text=True, **pipes, **options)


def test_a_closed_terminal_loses_no_step(workers, experiment, tmp_path):
    handle = workers.start(experiment, folder=tmp_path / "runs" / "abc123", device="cpu")
    handle.run()
    handle.wait_for(lambda status: status.iteration > 20)
    os.kill(handle.pid, signal.SIGHUP)
    assert until(lambda: not handle.live)
    status = handle.status()
    assert status.state == "stopped" and status.saved == status.iteration > 20
    assert history(handle.folder) == list(range(1, status.iteration + 1))
    assert Runs(tmp_path / "runs").list()[0].state == "stopped"


def test_another_server_is_refused_a_live_run_and_the_run_goes_on(workers, old_folder):
    handle = workers.start(folder=old_folder, resume=True, device="cpu")
    handle.step(5)
    handle.wait("paused")
    inline = InlineBackend()
    for take in (lambda: Run.resume(old_folder), lambda: inline.start(folder=old_folder, resume=True)):
        with pytest.raises(RunError, match=f"process {handle.pid}"):
            take()
    handle.step(5)
    assert handle.wait("paused").iteration == 25
    handle.stop()
    handle.wait("stopped")
    assert history(old_folder) == list(range(1, 26))


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_a_signal_to_the_command_line_loses_no_step(number, tmp_path):
    command = [sys.executable, "-m", "workbench", "train", "--problem", "two_moons", "--steps", "100000"]
    command += ["--set", "training.samples=200", "--out", str(tmp_path / "run"), "--device", "cpu", "--json"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    folder = RunFolder(tmp_path / "run")
    assert until(lambda: folder.status().get("iteration", 0) > 5, 120)
    process.send_signal(getattr(signal, number))
    output, _ = process.communicate(timeout=120)
    steps = json.loads(output)["steps"]
    assert process.returncode == 130 and steps > 5
    assert folder.status()["state"] == "stopped" and folder.status()["iteration"] == steps
    assert history(folder.path) == list(range(1, steps + 1)) and folder.checkpoint()["iteration"] == steps


@pytest.mark.slow
def test_two_processes_that_resume_one_run_write_each_step_once(old_folder):
    code = f"""
        run = wb.Run.resume({str(old_folder)!r}, device="cpu")
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            for step in range(400):
                run.step()
                if step % 10 == 9:
                    run.save(state="running")
            run.save()
            print("saved", run.iteration)
        except RunError as error:
            print("refused", error)
    """
    processes = [python(code) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = sorted(process.communicate(timeout=300)[0] for process in processes)
    assert answers[0].startswith("refused Run 'old'") and answers[1] == "saved 415\n"
    assert (
        history(old_folder) == list(range(1, 416)) and RunFolder(old_folder).checkpoint()["iteration"] == 415
    )


@pytest.mark.slow
def test_two_servers_that_resume_one_run_at_once(old_folder):
    backends = [ProcessBackend(warm=False) for _ in range(2)]
    handles = [backend.start(folder=old_folder, resume=True, device="cpu") for backend in backends]
    for handle in handles:
        handle.run()
    assert until(lambda: any(h.state == "failed" for h in handles), 120)
    loser, winner = sorted(handles, key=lambda h: h.state != "failed")
    assert "alive" in loser.status().message or "elsewhere" in loser.status().message
    winner.wait_for(lambda status: status.iteration > 60, timeout=120)
    assert RunFolder(old_folder).status()["state"] == "running"
    winner.stop()
    status = winner.wait("stopped")
    assert history(old_folder) == list(range(1, status.iteration + 1))
    for backend in backends:
        backend.close()


@pytest.mark.slow
def test_kill_9_at_any_moment_of_a_save_leaves_a_run_that_goes_on(old_folder):
    """Ten times killed while it saves after each step: every step that was said to be saved is there."""
    code = f"""
        run = wb.Run.resume({str(old_folder)!r}, device="cpu")
        while True:
            run.step()
            run.save(state="running")
            print(run.iteration, flush=True)
    """
    last = 15
    for trial in range(10):
        process = python(code)
        for line in process.stdout:
            last = int(line)
            if last % 7 == trial % 7:
                break
        time.sleep(0.003 * trial)
        process.kill()
        rest = process.communicate()[0].split()
        last = int(rest[-1]) if rest else last
        assert RunFolder(old_folder).status()["state"] == "killed"
        run = Run.resume(old_folder, device="cpu")  # a warning would be an error here
        assert last <= run.iteration <= last + 1 and len(run.history) == run.iteration
        last = run.iteration
    run.step()
    run.save()
    assert not [name for name in os.listdir(old_folder) if name.startswith(".")]
    assert history(old_folder) == list(range(1, last + 2))


@pytest.mark.slow
def test_a_script_that_is_killed_while_it_trains_loses_the_last_seconds_alone(experiment, tmp_path):
    (tmp_path / "experiment.json").write_text(experiment.to_json())
    code = f"""
        from pathlib import Path
        import workbench.training.progress as progress
        progress.SAVE_EVERY = 0.5
        experiment = wb.Experiment.from_json(Path({str(tmp_path / "experiment.json")!r}).read_text())
        wb.Run(experiment, device="cpu", folder={str(tmp_path / "run")!r}).train(progress=False)
    """
    process, folder = python(code), RunFolder(tmp_path / "run")
    assert until(lambda: folder.status().get("iteration", 0) > 10, 120)
    process.kill()
    process.communicate()
    run = Run.resume(folder, device="cpu")
    assert run.iteration > 10 and folder.status()["state"] == "killed" and len(run.history) == run.iteration


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_pauses_the_run(workers, experiment, tmp_path):
    handle = workers.start(experiment, folder=tmp_path / "run", device="cpu")
    handle.step(5)
    assert handle.wait("paused").saved == 5
    size = (handle.folder / "checkpoint.pt").stat().st_size
    resource.prlimit(handle.pid, resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))
    handle.step(5)
    status = handle.wait("paused")
    assert status.iteration == 10 and status.saved == 5 and "leaves no room" in status.message
    assert RunFolder(handle.folder).status()["message"] == status.message
    resource.prlimit(handle.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    handle.step(5)
    assert handle.wait("paused").saved == 15
    handle.stop()
    handle.wait("stopped")
    assert history(handle.folder) == list(range(1, 16))


@pytest.mark.slow
def test_a_full_disk_of_a_few_megabytes(workers, experiment, tmp_path):
    """A file system in memory, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=4m", "none", str(disk)]
    if not mount or subprocess.run([mount, *options], capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        handle = workers.start(experiment, folder=disk / "runs" / "abc123", device="cpu")
        handle.step(5)
        assert handle.wait("paused").saved == 5
        with open(disk / "other", "wb", buffering=0) as stream, pytest.raises(OSError):
            while True:
                stream.write(bytes(4096))
        handle.step(5)
        status = handle.wait("paused")
        assert (status.iteration, status.saved) == (10, 5) and "leaves no room" in status.message
        assert Runs(disk / "runs").list()[0].message == status.message
        handle.stop()
        status = handle.wait("failed")
        on_disk = RunFolder(handle.folder).status()
        assert (on_disk["state"], on_disk["message"]) == ("failed", status.message)
        assert "DiskFullError" in (handle.folder / "error.txt").read_text()
        (disk / "other").unlink()
        again = workers.start(folder=handle.folder, resume=True, device="cpu")
        again.step(5)
        assert again.wait("paused").saved == 10
        again.stop()
        again.wait("stopped")
        assert history(handle.folder) == list(range(1, 11))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
