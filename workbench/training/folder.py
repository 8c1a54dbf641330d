"""A run as a folder that outlives browser, server and worker; and the shelf on which the folders stand.

experiment.json   all settings, with a version          history.jsonl   one record a step
status.json       state, iteration, process, heartbeat  events.jsonl    recoveries, early stops
checkpoint.pt     tensors and numbers, no code          data/           what the problem brought along
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from workbench.core.errors import RunError, WorkbenchError
from workbench.training.experiment import Experiment
from workbench.training.history import History, Record

_RUN_ID = re.compile(r"[a-z0-9]{6,64}")
_ALIVE = ("starting", "running", "paused")
#: Seconds without a heartbeat after which a process on another machine is taken for dead.
_SILENCE = 60.0


def home() -> Path:
    """Where runs live: ``WORKBENCH_HOME``, or ``.vina-workbench`` in the user's home."""
    return Path(os.environ.get("WORKBENCH_HOME") or Path.home() / ".vina-workbench")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, finds either the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def id(self) -> str:
        return self.path.name

    @classmethod
    def create(cls, root: Path | None = None) -> RunFolder:
        """A new folder with a name that cannot be guessed."""
        path = (root or home() / "runs") / f"{time.strftime('%y%m%d%H%M%S')}{secrets.token_hex(8)}"
        path.mkdir(parents=True)
        return cls(path)

    # ---- the experiment
    def write_experiment(self, experiment: Experiment) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        experiment.problem.save_data(self.path)
        write_whole(self.path / "experiment.json", experiment.to_json().encode())

    def experiment(self) -> Experiment:
        try:
            values = json.loads((self.path / "experiment.json").read_text())
        except FileNotFoundError as error:
            raise RunError(
                f"'{self.path.name}' is not a run",
                expected="a folder with experiment.json",
                found=str(self.path),
            ) from error
        except json.JSONDecodeError as error:
            raise RunError(
                f"The experiment of run '{self.path.name}' is damaged", found=str(error)
            ) from error
        return Experiment.from_dict(values, folder=self.path)

    # ---- status
    def write_status(self, state: str, **values) -> None:
        """``state`` with whatever else is known; machine, process id and time are added."""
        here = {"host": platform.node(), "pid": os.getpid(), "time": time.time()}
        known = {"state": state, **here, **values}
        write_whole(self.path / "status.json", json.dumps(known).encode())

    def status(self) -> dict:
        """The last status; a run whose process is gone without a word is 'killed'."""
        try:
            status = json.loads((self.path / "status.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {"state": "stopped", "iteration": 0, "time": 0.0, "pid": 0}
        if status.get("state") in _ALIVE and not _alive(status):
            status["state"] = "killed"
            status["message"] = (
                "The process of this run ended without a word. Resume continues from the last checkpoint."
            )
        return status

    # ---- checkpoint and history
    def write_checkpoint(self, state: dict) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.path / "checkpoint.pt", buffer.getvalue())

    def checkpoint(self) -> dict:
        """The last checkpoint's tensors and numbers; nothing in it is ever executed."""
        path = self.path / "checkpoint.pt"
        if not path.exists():
            raise RunError(
                f"Run '{self.id}' has no checkpoint yet",
                expected="checkpoint.pt",
                found="none",
                suggestion="start the run again from its experiment",
            )
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunError(f"The checkpoint of run '{self.id}' is damaged", found=str(error)[:200]) from error

    @property
    def has_checkpoint(self) -> bool:
        return (self.path / "checkpoint.pt").exists()

    def append_history(self, records) -> None:
        with open(self.path / "history.jsonl", "a", encoding="utf-8") as stream:
            stream.writelines(record.to_json() + "\n" for record in records)

    def history(self, until: int | None = None) -> History:
        """The records on disk; a torn last line, as a crash may leave it, is dropped."""
        found: dict[int, Record] = {}
        path = self.path / "history.jsonl"
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    record = Record.from_json(line)
                except (ValueError, TypeError):
                    continue
                found[record.iteration] = record
        history = History(found[i] for i in sorted(found))
        return history if until is None else history.truncated(until)

    def rewrite_history(self, history: History) -> None:
        write_whole(self.path / "history.jsonl", "".join(r.to_json() + "\n" for r in history).encode())

    def append_event(self, event: dict) -> None:
        with open(self.path / "events.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(event) + "\n")


def _alive(status: dict) -> bool:
    """Whether the process that wrote this status is still there.

    Process numbers are given out again, and mean nothing on another machine that shares the folder: there
    the heartbeat counts.
    """
    written = float(status.get("time", 0.0))
    if status.get("host", platform.node()) != platform.node():
        return time.time() - written < _SILENCE
    try:
        process = psutil.Process(int(status.get("pid", 0)))
        started_before = process.create_time() <= written + 1.0  # clocks are read to a hundredth of a second
        return started_before and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.AccessDenied:
        return True
    except (psutil.Error, ValueError):
        return False


@dataclass(frozen=True)
class RunInfo:
    """A line in the list of runs."""

    id: str
    path: Path
    title: str
    state: str
    iteration: int
    steps: int
    created: float
    message: str = ""


class Runs:
    """All runs under one root, newest first."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root is not None else home() / "runs"

    def folder(self, run_id: str) -> RunFolder:
        """The folder of a run; ids that could lead elsewhere are refused."""
        if not _RUN_ID.fullmatch(run_id) or not (self.root / run_id).is_dir():
            raise RunError(f"There is no run '{run_id[:64]}'", suggestion="look at the list of runs")
        return RunFolder(self.root / run_id)

    def list(self) -> list[RunInfo]:
        if not self.root.is_dir():
            return []
        infos = [
            self._info(RunFolder(path))
            for path in self.root.iterdir()
            if path.is_dir() and (path / "experiment.json").exists()
        ]
        return sorted(infos, key=lambda info: info.created, reverse=True)

    def _info(self, folder: RunFolder) -> RunInfo:
        status = folder.status()
        created = (folder.path / "experiment.json").stat().st_mtime
        try:
            values = json.loads((folder.path / "experiment.json").read_text())
            title = " · ".join(values[part]["key"] for part in ("problem", "architecture", "objective"))
            steps = int(values.get("steps", 0))
        except (OSError, ValueError, KeyError, TypeError, WorkbenchError):
            title, steps, status = (
                "damaged",
                0,
                {"state": "failed", "message": "experiment.json cannot be read"},
            )
        return RunInfo(
            folder.id,
            folder.path,
            title,
            status.get("state", "stopped"),
            int(status.get("iteration", 0)),
            steps,
            created,
            status.get("message", ""),
        )

    def delete(self, run_id: str) -> None:
        """Remove a run's folder. A run that is alive must be stopped first."""
        folder = self.folder(run_id)
        if folder.status()["state"] in _ALIVE:
            raise RunError(
                f"Run '{run_id}' is still alive", expected="a run that has ended", suggestion="stop it first"
            )
        shutil.rmtree(folder.path)
