"""A helper process that evaluates networks and parses uploads, which the server itself never does.

The functions below run in that process; `ProcessPool.submit` hands one over and returns a Future.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from workbench.core.errors import RunError, WorkbenchError
from workbench.core.lazy import torch
from workbench.training import home

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference import FittedModel
    from workbench.nn.forward_network import ForwardNetwork
    from workbench.training import Experiment

#: Limit of the helper process's address space in bytes, as a guard against malicious files.
MAX_MEMORY = 16 * 2**30
#: Exports and uploads older than this many seconds are removed.
RETENTION_SECONDS = 24 * 3600.0


class ProcessPool:
    """One process, started at the first task and restarted after a crash. ``niceness`` is its priority."""

    def __init__(self, *, niceness: int = 5) -> None:
        self._lock, self._pool, self._niceness = threading.Lock(), None, niceness

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Run ``work(*arguments)`` in the process and return its Future.

        The Future raises the error of ``work``, or `RunError` if the process dies.
        """
        outer: Future = Future()

        def forward(inner: Future) -> None:
            error = inner.exception()
            if isinstance(error, BrokenProcessPool):
                self._drop()
                error = RunError(
                    "The helper process died over this", suggestion="try again, or use a smaller file"
                )
            if error is None:
                outer.set_result(inner.result())
            else:
                outer.set_exception(error)

        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    1, mp_context=get_context("spawn"), initializer=_start, initargs=(self._niceness,)
                )
            self._pool.submit(work, *arguments).add_done_callback(forward)
        return outer

    def _drop(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def close(self) -> None:
        """Shut the process down without waiting for it."""
        self._drop()


#: Process for work that may take minutes: expensive exports, diagnostics, inversions. Process for work of
#: seconds, which does not wait for it: quick exports, and files that are uploaded.
POOL, QUICK = ProcessPool(), ProcessPool()


def export_pool(key: str) -> ProcessPool:
    """Return the process in which a format, given by its key, is written."""
    from workbench.export import FORMATS

    return POOL if FORMATS[key].expensive else QUICK


def transfer_folder(name: str) -> Path:
    """Return the folder of temporary files, ``exports`` or ``uploads``; it is created if need be."""
    path = home() / name
    path.mkdir(parents=True, exist_ok=True)
    if name == "exports":
        _remove_old(path)
    return path


def _remove_old(folder: Path) -> None:
    """Delete exports, and parts of exports that were cut off, once they are over a day old."""
    for path in folder.iterdir():
        with suppress(OSError):  # another page may remove it at the same time
            if time.time() - path.stat().st_mtime > RETENTION_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def new_name(suffix: str) -> str:
    """Return a random file name with this suffix that cannot be guessed."""
    return secrets.token_hex(12) + suffix


# ---- functions that run in the helper process
# -----------------------------------------------------------------------------
def _start(niceness: int) -> None:
    import resource

    os.environ["OMP_NUM_THREADS"] = "1"
    threading.Thread(target=_exit_with_server, daemon=True).start()
    with suppress(OSError, ValueError):
        os.nice(niceness)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _exit_with_server() -> None:
    """End this helper process when the server ends.

    A server that is terminated or killed closes no pool, and the helper would wait for work for ever, since
    it holds both ends of the pipe that it reads from.
    """
    parent_process().join()
    os._exit(1)


def open_model(source: str) -> FittedModel:
    """Load an exported model, or the model of a run's folder at its latest checkpoint, read-only."""
    from workbench.export import load
    from workbench.training import RunFolder

    path = Path(source)
    return load(path) if path.is_file() else RunFolder(path).fitted(device="cpu")


def export_to(source: str, key: str, target: str, observation: tuple[float, ...] = ()) -> Path:
    """Export a model to ``target`` in the format ``key``, check it against the model, and return its path.

    ``source`` is a run's folder or an exported file; ``observation`` is that of an exported posterior. A
    format that needs a run gets one that is rebuilt from an exported file and the history beside it.
    """
    from workbench.export import FORMATS, export

    if not FORMATS[key].of_run:
        return export(open_model(source), key, target, observation=observation)
    if Path(source).is_dir():
        return export(source, key, target, observation=observation)
    history = Path(source).with_name("history.jsonl")
    with TemporaryDirectory() as root:
        run = import_model(source, root, history.read_text(encoding="utf-8") if history.is_file() else "")
        return export(str(Path(root) / run), key, target, observation=observation)


def import_model(file: str, root: str, history: str = "") -> str:
    """Store an exported model as a finished run under ``root`` and return the run's id.

    Raises `RefusedError` for a file that fails its checks, and `WorkbenchError` if its problem is missing.
    """
    from workbench.export import load
    from workbench.training import Run, RunFolder

    model = load(file)
    experiment = _experiment_of(model, Path(root))
    run = Run(experiment, device="cpu", maps=model.standardisation.describe())
    run.model.load_state_dict(model.model.state_dict())
    run.data.standardisation.load_state_dict(model.standardisation.state_dict())
    run.iteration, run.finished = int(model.manifest["iteration"]), True
    run.experiment = experiment.replace(steps=max(1, run.iteration))
    if history:
        run.seconds = float(json.loads(history.splitlines()[-1])["seconds"])
    folder = RunFolder.create(Path(root))
    try:
        run.attach(folder)
        run.save()
        if history:
            (folder.path / "history.jsonl").write_text(history, encoding="utf-8")
    except Exception as error:
        raise WorkbenchError("The imported model could not be stored as a run", found=str(error)) from error
    return folder.id


def _experiment_of(model: FittedModel, root: Path) -> Experiment:
    """Return the experiment on which an exported model was trained.

    An exported file contains no data. A user's table is taken from a run under ``root`` whose table gives the
    same standardisation; raises `WorkbenchError` if there is none.
    """
    from workbench.training import Experiment, Run, Runs

    experiment = Experiment.from_dict(model.manifest["experiment"])
    if not getattr(experiment.problem, "reads_files", False):
        return experiment
    names = [v.name for v in (*model.x, *model.y)]
    for info in Runs(root).list():
        try:
            problem = Runs(root).folder(info.id).experiment().problem
            if problem.key != experiment.problem.key or [v.name for v in (*problem.x, *problem.y)] != names:
                continue
            candidate = experiment.replace(problem=problem)
            maps = model.standardisation.describe()
            tensors = Run(candidate, device="cpu", maps=maps).data.standardisation.state_dict()
        except WorkbenchError:
            continue
        # those of an export of version 0.1 were in single precision
        state = model.standardisation.state_dict()
        if all(torch.allclose(t, tensors[n], rtol=1e-6, atol=0.0) for n, t in state.items()):
            return candidate
    raise WorkbenchError(
        "This model was trained on a user's own table, which an export does not carry",
        expected=f"a run here that was made from the same table (columns {', '.join(names)})",
        found="none",
        suggestion="import it where it was trained, or use it from Python: workbench.load(file)",
    )


def run_inversion(
    source: str, target: list[float], method: str, settings: dict[str, Any], pair: list[int]
) -> xr.Dataset:
    """Search for inputs that a network or formula maps to ``target``; returns the search as a Dataset.

    ``source`` is ``trained:`` or ``exact:`` followed by the key of a problem, or ``run:`` and a run's id;
    ``pair`` has the indices of the two plotted variables.
    """
    from workbench.diagnostics import invert
    from workbench.inversion import INVERSION
    from workbench.problems import PROBLEMS
    from workbench.training import Runs

    kind, _, name = source.partition(":")
    if kind == "run":
        model = open_model(str(Runs().folder(name).path))
    else:
        model = _forward_network(name) if kind == "trained" else PROBLEMS.make(name)
    return invert(model, target, method=INVERSION.make(method, **settings), pair=tuple(pair))


@cache
def _forward_network(problem: str) -> ForwardNetwork:
    """Return a network for a problem's forward map, trained in seconds, at most once per process."""
    from workbench.inversion import train_forward
    from workbench.problems import PROBLEMS

    return train_forward(PROBLEMS.make(problem))


def import_table(upload: str, target: str) -> list[dict[str, Any]]:
    """Read an uploaded table and write its columns of numbers and of texts as Parquet to ``target``.

    Returns a dict per column with name, unit, number of rows, the kind that it suggests with the reason, and
    the reason if it is not usable (``refusal``).
    """
    from dataclasses import asdict

    from workbench.problems.user.kinds import describe, write_columns

    columns = describe(upload)
    write_columns(upload, [column for column in columns if not column.refusal], target)
    return [asdict(column) for column in columns]
