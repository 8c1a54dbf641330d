"""Run folders, which outlive browser, server and worker, and the list of all runs.

experiment.json   all settings, with a version          history.jsonl   one record per step
status.json       state, iteration, process, heartbeat  events.jsonl    recoveries, early stops
checkpoint.pt     tensors and numbers, no code          data/           data files of the problem
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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from workbench.core.errors import RunError, WorkbenchError
from workbench.core.lazy import torch
from workbench.training.experiment import Experiment
from workbench.training.history import History, Record

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.training.run import Run

_RUN_ID = re.compile(r"[a-z0-9]{6,64}")
_ALIVE = ("starting", "running", "paused")
#: Seconds without a heartbeat after which a process on another machine counts as dead.
_SILENCE = 60.0


def home() -> Path:
    """Return the folder of all runs and studies: ``WORKBENCH_HOME``, or ``~/.vina-workbench``."""
    return Path(os.environ.get("WORKBENCH_HOME") or Path.home() / ".vina-workbench")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader, or a crash, finds either the old content or the new one."""
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
    """The folder of one run: reads and writes its files."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @classmethod
    def create(cls, root: Path | None = None) -> RunFolder:
        """Make a new folder, with a name that cannot be guessed, under ``root`` or among all runs."""
        path = (root or home() / "runs") / f"{time.strftime('%y%m%d%H%M%S')}{secrets.token_hex(8)}"
        path.mkdir(parents=True)
        return cls(path)

    # ---- the experiment
    def write_experiment(self, experiment: Experiment) -> None:
        """Write experiment.json, and to data/ what the problem's settings lack, such as a table's rows."""
        self.path.mkdir(parents=True, exist_ok=True)
        experiment.problem.save_data(self.path)
        write_whole(self.path / "experiment.json", experiment.to_json().encode())

    def experiment(self, problem: Problem | None = None) -> Experiment:
        """Read the experiment, with the data that the folder keeps for its problem.

        ``problem`` brings the functions of a simulator of one's own. Raises `RunError` for a folder without
        an experiment, or with a damaged one or another problem.
        """
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
        if problem is not None:
            values["problem"] = self._with_data(problem, values.get("problem"))
        return Experiment.from_dict(values, folder=self.path)

    def _with_data(self, problem: Problem, stored: Any) -> Problem:
        """Return a copy of the problem with this folder's data; `RunError` for one of another kind."""
        key = stored.get("key") if isinstance(stored, dict) else stored
        if problem.key != key:
            problem_change = f"Run '{self.id}' was trained on another problem"
            raise RunError(problem_change, expected=f"'{key}'", found=f"'{problem.key}'")
        problem = problem.copy()
        problem.load_data(self.path)
        return problem

    # ---- status
    def write_status(self, state: str, **values: Any) -> None:
        """Write status.json: the state, further JSON-ready values, machine, process id and time."""
        here = {"host": platform.node(), "pid": os.getpid(), "time": time.time()}
        write_whole(self.path / "status.json", json.dumps({"state": state, **here, **values}).encode())

    def status(self) -> dict[str, Any]:
        """Read the latest status.

        The state is "killed" for a run whose process ended without writing another, and "stopped" for a
        folder without a readable status.
        """
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
    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write a dict of tensors, numbers and strings as the checkpoint, in place of the previous one."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.path / "checkpoint.pt", buffer.getvalue())

    def checkpoint(self) -> dict[str, Any]:
        """Read the latest checkpoint, without executing any code in it.

        Raises `RunError` where it is missing or damaged.
        """
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

    def open(self, *, device: str = "auto", problem: Problem | None = None) -> Run:
        """Load the run at its latest checkpoint, with its history, for evaluation.

        ``problem`` brings the functions of a simulator of one's own, for new simulations.

        The run is not attached to this folder and never writes to it, since another process may be training
        the run; `Run.resume` takes the folder over. Raises `RunError` without a usable checkpoint.
        """
        from workbench.training.run import Run

        experiment, state = self.experiment(problem), self.checkpoint()
        # columns of runs of version 0.1 were only shifted and scaled
        run = Run(experiment, device=device, maps=state.get("maps", {}))
        try:
            run.load_state_dict(state)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise RunError(
                f"The checkpoint of run '{self.id}' does not fit its experiment", found=str(error)[:300]
            ) from error
        run.history = self.history(until=run.iteration)
        return run

    def fitted(self, *, device: str = "auto") -> FittedModel:
        """Return the trained network of the latest checkpoint as a `FittedModel`; errors as in `open`."""
        return self.open(device=device).fitted

    @property
    def has_checkpoint(self) -> bool:
        """True once a checkpoint has been written."""
        return (self.path / "checkpoint.pt").exists()

    def append_history(self, records: Iterable[Record]) -> None:
        """Add records to the history on disk."""
        with open(self.path / "history.jsonl", "a", encoding="utf-8") as stream:
            stream.writelines(record.to_json() + "\n" for record in records)

    def history(self, until: int | None = None) -> History:
        """Read the history, up to iteration ``until`` if given; lines damaged by a crash are skipped."""
        records: dict[int, Record] = {}
        path = self.path / "history.jsonl"
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    record = Record.from_json(line)
                except (ValueError, TypeError):
                    continue
                records[record.iteration] = record
        history = History(records[i] for i in sorted(records))
        return history if until is None else history.truncated(until)

    def rewrite_history(self, history: History) -> None:
        """Replace the history on disk."""
        write_whole(self.path / "history.jsonl", "".join(r.to_json() + "\n" for r in history).encode())

    def append_event(self, event: dict[str, Any]) -> None:
        """Add an event (a recovery, an early stop, a change of the objective) to the list on disk."""
        with open(self.path / "events.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(event) + "\n")


def _alive(status: dict[str, Any]) -> bool:
    """Test whether the process that wrote this status still exists.

    Process ids are reused, so the process must be older than the status. For a status written on another
    machine that shares the folder, the age of the heartbeat decides.
    """
    write_time = float(status.get("time", 0.0))
    if status.get("host", platform.node()) != platform.node():
        return time.time() - write_time < _SILENCE
    try:
        process = psutil.Process(int(status.get("pid", 0)))
        started_before = (
            process.create_time() <= write_time + 1.0
        )  # clocks are read to a hundredth of a second
        return started_before and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.AccessDenied:
        return True
    except (psutil.Error, ValueError):
        return False


@dataclass(frozen=True)
class RunInfo:
    """Summary of a run in the list of all runs; ``created`` is in seconds since the epoch."""

    id: str
    path: Path
    title: str
    state: str
    iteration: int
    steps: int
    created: float
    message: str = ""


class Runs:
    """The runs under one root folder, by default all of the workbench's home."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root is not None else home() / "runs"

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run. Raises `RunError` for an unknown id, or a path in place of one."""
        if not _RUN_ID.fullmatch(run_id) or not (self.root / run_id).is_dir():
            raise RunError(f"There is no run '{run_id[:64]}'", suggestion="look at the list of runs")
        return RunFolder(self.root / run_id)

    def list(self) -> list[RunInfo]:
        """Summarise all runs, newest first."""
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
        creation_time = (folder.path / "experiment.json").stat().st_mtime
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
            creation_time,
            status.get("message", ""),
        )

    def delete(self, run_id: str) -> None:
        """Remove a run's folder. Raises `RunError` for a run that is still alive."""
        folder = self.folder(run_id)
        if folder.status()["state"] in _ALIVE:
            raise RunError(
                f"Run '{run_id}' is still alive", expected="a run that has ended", suggestion="stop it first"
            )
        shutil.rmtree(folder.path)
