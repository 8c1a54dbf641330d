"""Run folders, which outlive browser, server and worker.

experiment.json   all settings, with a version          history.jsonl   one record per step
status.json       state, iteration, process, heartbeat  events.jsonl    recoveries, early stops
checkpoint.pt     tensors and numbers, no code          data/           data files of the problem
checkpoint-previous.pt, checkpoint.sha256   the one before, and the digests of both
run.lock, owner.json, .reserve              who trains the run, and room for the last words on a full disk
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workbench.core.entries import public
from workbench.core.errors import DataWarning, RunError, RunWarning, WorkbenchError
from workbench.training.checkpoint_files import LATEST, CheckpointFiles, fallback
from workbench.training.experiment import Experiment
from workbench.training.history import History, Record
from workbench.training.ownership import (
    ALIVE,
    Ownership,
    alive,
    held_elsewhere,
    owned_elsewhere,
    owner_here,
    sign_of_life,
)
from workbench.training.whole_files import append_lines, disk_full, read_object, write_whole

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.training.run import Run

#: What status.json says of a run: its state, and the kinds of the other values that are used.
STATES = (*ALIVE, "finished", "failed", "killed", "stopped")
_KINDS: dict[str, tuple[type, ...]] = {
    "iteration": (int,),
    "steps": (int,),
    "message": (str,),
    "host": (str,),
    "pid": (int,),
    "attempt": (int,),
    **dict.fromkeys(("time", "since_boot", "loss", "seconds", "parameters"), (int, float)),
}


class DiskFullError(RunError):
    """A run that cannot be saved for want of room; it is unchanged and can be saved later."""


def home() -> Path:
    """Return the folder of all runs and studies: ``WORKBENCH_HOME``, or ``~/.vina-workbench``."""
    return Path(os.environ.get("WORKBENCH_HOME") or Path.home() / ".vina-workbench")


@public
class RunFolder:
    """The folder of one run: reads and writes its files."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.ownership, self.checkpoints = Ownership(self.path), CheckpointFiles(self.path)

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
            values = read_object(self.path / "experiment.json", f"The experiment of run '{self.id}'")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(
                f"'{self.path.name}' is not a run",
                expected="a folder with experiment.json",
                found=str(self.path),
            ) from error
        if problem is not None:
            values["problem"] = self._with_data(problem, values.get("problem"))
        try:
            return Experiment.from_dict(values, folder=self.path)
        except (WorkbenchError, OSError):
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise RunError(f"The experiment of run '{self.id}' is damaged", found=cause) from error

    def _with_data(self, problem: Problem, stored: Any) -> Problem:
        """Return a copy of the problem with this folder's data; `RunError` for one of another kind."""
        key = stored.get("key") if isinstance(stored, dict) else stored
        if problem.key != key:
            problem_change = f"Run '{self.id}' was trained on another problem"
            raise RunError(problem_change, expected=f"'{key}'", found=f"'{problem.key}'")
        problem = problem.copy()
        problem.load_data(self.path)
        return problem

    # ---- the right to write
    def claim(self) -> bool:
        """Take the folder over for writing; returns False where this object was its latest owner already.

        Raises `OwnershipError` while another process trains the run, and `OSError` for a folder in which
        nothing can be written.
        """
        if not self.ownership.held:
            self.refuse_elsewhere()
        return self.ownership.claim()

    def refuse_elsewhere(self) -> None:
        """Raise `OwnershipError` for a run that another process trains, or has paused."""
        if owner_here(self.path) is not None:
            return
        status = self.status()
        own = (status.get("host"), status.get("pid")) == (platform.node(), os.getpid())
        if (status["state"] in ALIVE and not own) or held_elsewhere(self.path):
            raise owned_elsewhere(self.path)

    def writing_error(self, error: OSError) -> Exception:
        """Return the error to raise for one in writing: `DiskFullError` for want of room, else ``error``."""
        if not disk_full(error):
            return error
        free = shutil.disk_usage(self.path).free / 2**20
        return DiskFullError(
            f"Run '{self.id}' cannot be saved: the disk, or a limit on files, leaves no room",
            expected="room for two checkpoints and the history",
            found=f"{error.strerror}, {free:.1f} MB free in {self.path}",
            suggestion="make room, then go on: nothing that was saved is lost",
        )

    # ---- status
    def write_status(self, state: str, **values: Any) -> None:
        """Write status.json: the state, further JSON-ready values, and the sign of life of this process.

        The owner of the folder gives it back with a state in which a run has none. On a full disk the room
        that it reserves is used. Raises `OwnershipError` for a run that has been taken over.
        """
        owner = self.ownership
        owner.check()
        if not owner.held and held_elsewhere(self.path):
            raise owned_elsewhere(self.path)
        here = {**sign_of_life(owner.attempt if owner.held else 0), "time": time.time()}
        data = json.dumps({"state": state, **here, **values}).encode()
        self.write_last_words("status.json", data)
        if state not in ALIVE:
            owner.release()

    def write_last_words(self, name: str, data: bytes) -> None:
        """Write a small file, on a full disk into the room that the owner reserves."""
        try:
            write_whole(self.path / name, data)
        except OSError as error:
            if not (disk_full(error) and self.ownership.free_reserve()):
                raise
            write_whole(self.path / name, data)

    def status(self) -> dict[str, Any]:
        """Read the latest status.

        The state is "killed" for a run whose owner ended without writing another, "damaged" for a folder
        whose status cannot be read, with the reason as its message, and "stopped" for one without a status.
        """
        nothing = {"iteration": 0, "time": 0.0, "pid": 0}
        try:
            status = read_object(self.path / "status.json", "The status")
            _check_status(status)
        except (FileNotFoundError, NotADirectoryError):
            return {"state": "stopped", **nothing}
        except RunError as error:
            return {"state": "damaged", **nothing, "message": str(error)}
        if status["state"] in ALIVE and not alive(self.path, status):
            status |= {"state": "killed", "message": self._death()}
        return status

    def _death(self) -> str:
        if self.has_checkpoint:
            return "The process of this run ended without a word. Resume continues from the last checkpoint."
        return (
            "The process of this run ended without a word, before its first checkpoint. "
            "Resume starts it again from step 0."
        )

    # ---- checkpoint and history
    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write a dict of tensors, numbers and strings as the checkpoint, and keep the one before."""
        self.checkpoints.write(state)

    def checkpoint(self) -> dict[str, Any]:
        """Read the latest checkpoint, without executing any code in it.

        Raises `RunError` where it is missing or damaged.
        """
        self._require_checkpoint()
        return self.checkpoints.read(LATEST)

    def _require_checkpoint(self) -> None:
        if not self.has_checkpoint:
            raise RunError(
                f"Run '{self.id}' has no checkpoint yet",
                expected=LATEST,
                found="none",
                suggestion="start the run again from its experiment",
            )

    def open(self, *, device: str = "auto", problem: Problem | None = None) -> Run:
        """Load the run at its latest checkpoint, with its history, for evaluation.

        ``problem`` brings the functions of a simulator of one's own, for new simulations.

        The run is not attached to this folder and never writes to it, since another process may be training
        the run; `Run.resume` takes the folder over. Raises `RunError` without a usable checkpoint.
        """
        experiment, first_error = self.experiment(problem), None
        self._require_checkpoint()
        for name in self.checkpoints.names():
            version = self.checkpoints.version()
            try:
                run = self._open(name, experiment, device)
            except RunError as error:
                first_error = first_error or error
                continue
            if first_error is not None:
                self.checkpoints.refused = version
                sentence = fallback(first_error, run.iteration)
                run.events.append({"kind": "checkpoint", "iteration": run.iteration, "message": sentence})
                warnings.warn(sentence, RunWarning, stacklevel=2)
            run.history = self.history(until=run.iteration)
            return run
        raise cast("RunError", first_error)  # there is a checkpoint, and none could be opened

    def _open(self, name: str, experiment: Experiment, device: str) -> Run:
        """Load the run at the checkpoint of this name. Raises `RunError` where that is not possible."""
        from workbench.training.run import Run

        state = self.checkpoints.read(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # told when the run began, and kept in its events
            # columns of runs of version 0.1 were only shifted and scaled
            run = Run(experiment, device=device, maps=state.get("maps", {}))
        run.load_state_dict(state)
        return run

    def fitted(self, *, device: str = "auto") -> FittedModel:
        """Return the trained network of the latest checkpoint as a `FittedModel`; errors as in `open`."""
        return self.open(device=device).fitted

    @property
    def has_checkpoint(self) -> bool:
        """True once a checkpoint has been written."""
        return self.checkpoints.exist

    def append_history(self, records: Iterable[Record]) -> None:
        """Add records to the history on disk."""
        append_lines(self.path / "history.jsonl", [record.to_json() for record in records])

    def history(self, until: int | None = None) -> History:
        """Read the history, up to iteration ``until`` if given; lines damaged by a crash are skipped.

        Raises `RunError` for a history that cannot be read at all.
        """
        records: dict[int, Record] = {}
        try:
            lines = (self.path / "history.jsonl").read_bytes().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            lines = []
        except OSError as error:
            raise RunError(f"The history of run '{self.id}' cannot be read", found=str(error)) from error
        for line in lines:
            try:
                record = Record.from_json(line.decode("utf-8"))
            except (ValueError, TypeError):
                continue
            records[record.iteration] = record
        history = History(records[i] for i in sorted(records))
        return history if until is None else history.truncated(until)

    def rewrite_history(self, history: History) -> None:
        """Replace the history on disk."""
        write_whole(self.path / "history.jsonl", "".join(r.to_json() + "\n" for r in history).encode())

    def append_events(self, events: Iterable[dict[str, Any]]) -> None:
        """Add events (recoveries, early stops, changes of the objective) to the list on disk."""
        append_lines(self.path / "events.jsonl", [json.dumps(event) for event in events])

    def append_event(self, event: dict[str, Any]) -> None:
        """Add one event to the list on disk."""
        self.append_events([event])

    def rewrite_events(self, events: Iterable[dict[str, Any]]) -> None:
        """Replace the list of events on disk."""
        write_whole(
            self.path / "events.jsonl", "".join(f"{json.dumps(event)}\n" for event in events).encode()
        )


def _check_status(status: dict[str, Any]) -> None:
    """Raise `RunError` for a status with a value of the wrong kind."""
    state = status.get("state")
    if state not in STATES:
        content = f"status.json has {f'the state {state!r}' if 'state' in status else 'no state'}"
        raise RunError("The status is damaged", expected=f"one of {', '.join(STATES)}", found=content)
    for name, kinds in _KINDS.items():
        value = status.get(name)
        if value is None:
            status.pop(name, None)
        elif type(value) not in kinds or (isinstance(value, int) and abs(value) >= 2**63):
            noun = "a text" if str in kinds else "a number" if float in kinds else "a whole number"
            content = f"status.json has {name} {str(value)[:40]!r}"
            raise RunError("The status is damaged", expected=f"{name} as {noun}", found=content)
