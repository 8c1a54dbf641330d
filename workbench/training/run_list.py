"""The list of all runs in a folder, damaged ones included, each as one line."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.entries import public
from workbench.core.errors import RunError, WorkbenchError
from workbench.training.folder import RunFolder, home
from workbench.training.ownership import ALIVE, lock_held
from workbench.training.whole_files import read_object

_PARTS = ("problem", "architecture", "objective")
#: Files of which one makes a folder a run, even where the others are gone.
_FILES = ("experiment.json", "status.json", "checkpoint.pt", "history.jsonl")
DAMAGED = "damaged"


@dataclass(frozen=True)
class RunInfo:
    """Summary of a run in the list of all runs; ``created`` is in seconds since the epoch.

    ``state`` is "damaged" for a folder whose files cannot be read; ``message`` says which, and why.
    """

    id: str
    path: Path
    title: str
    state: str
    iteration: int
    steps: int
    created: float
    message: str = ""


@public
class Runs:
    """The runs under one root folder, by default all of the workbench's home."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root is not None else home() / "runs"

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run. Raises `RunError` for an unknown id, or a path in place of one."""
        if not _is_name(run_id) or not (self.root / run_id).is_dir():
            raise RunError(f"There is no run '{run_id[:64]!s}'", suggestion="look at the list of runs")
        return RunFolder(self.root / run_id)

    def list(self) -> list[RunInfo]:
        """Summarise all runs, newest first. A damaged one never keeps the others from being listed."""
        try:
            paths = [path for path in self.root.iterdir() if _is_name(path.name) and path.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise RunError(f"The runs in '{self.root}' cannot be listed", found=str(error)) from error
        infos = [summarise(RunFolder(path)) for path in paths if _is_run(path)]
        return sorted(infos, key=lambda info: info.created, reverse=True)

    def is_alive(self, run_id: str) -> bool:
        """Test whether a process trains a run or holds it. Raises `RunError` for an unknown id."""
        folder = self.folder(run_id)
        return folder.status()["state"] in ALIVE or bool(lock_held(folder.path))

    def delete(self, run_id: str) -> None:
        """Remove a run's folder. Raises `RunError` for a run that is still alive."""
        folder = self.folder(run_id)
        if self.is_alive(run_id):
            raise RunError(
                f"Run '{run_id}' is still alive", expected="a run that has ended", suggestion="stop it first"
            )
        try:
            shutil.rmtree(folder.path)
        except OSError as error:
            raise RunError(f"Run '{run_id}' cannot be deleted", found=str(error)) from error


def _is_name(text: str) -> bool:
    """Test whether a text is the plain name of a visible folder, and not a path."""
    return (
        bool(text)
        and len(text) <= 255
        and not text.startswith(".")
        and not any(c in "/\\\0" or not c.isprintable() for c in text)
    )


def _is_run(path: Path) -> bool:
    """Test whether a folder is a run; one that may not be read counts as one, since it is in their place."""
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError:
        return True
    return any(name in names for name in _FILES)


def summarise(folder: RunFolder) -> RunInfo:
    """Return the line of a run in the list of all runs; never raises for a damaged one."""
    title, steps, state, iteration, message = DAMAGED, 0, DAMAGED, 0, ""
    try:
        title, steps = _outline(folder.path)
        status = folder.status()
        state, iteration, message = status["state"], status.get("iteration", 0), status.get("message", "")
    except FileNotFoundError:
        message = "The experiment is missing: there is no experiment.json"
    except WorkbenchError as error:
        message = str(error)
    except Exception as error:  # a folder must never keep the other runs from being listed
        message = f"The folder cannot be read ({type(error).__name__}: {error})"
    return RunInfo(folder.id, folder.path, title, state, iteration, steps, _created(folder.path), message)


def _created(path: Path) -> float:
    """Return when a run was created: when its experiment was written, or else its folder."""
    for place in (path / "experiment.json", path):
        try:
            return place.stat().st_mtime
        except OSError:
            continue
    return 0.0


def _outline(path: Path) -> tuple[str, int]:
    """Return the keys of a run's parts, joined by " · ", and its number of steps.

    Raises `FileNotFoundError` without an experiment, and `RunError` with the reason for a damaged one.
    """
    values = read_object(path / "experiment.json", "The experiment")
    keys = [_key(part, values.get(part), part in values) for part in _PARTS]
    steps = values.get("steps", 0)
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise _damage(f"steps {steps!r:.40}", "a whole number of steps")
    if not isinstance(values.get("training", {}), dict):
        raise _damage(f"training {values['training']!r:.40}", "the settings of training by name")
    return " · ".join(keys), steps


def _key(part: str, value: Any, present: bool) -> str:
    if not present:
        raise _damage(f"no {part}", f"{part} with its key and settings")
    key = value.get("key") if isinstance(value, dict) else value
    settings = value.get("settings", {}) if isinstance(value, dict) else {}
    if not isinstance(key, str) or not isinstance(settings, dict):
        raise _damage(f"{part} {value!r:.40}", f"{part} with its key and settings")
    return key


def _damage(content: str, expected: str) -> RunError:
    return RunError("The experiment is damaged", expected=expected, found=f"experiment.json has {content}")
