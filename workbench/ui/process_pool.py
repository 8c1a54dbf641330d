"""Short work on networks and on files from outside, done in a process of its own, never in the
server.

The functions below run in that process; `ProcessPool.send` hands one over and returns a Future.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench.core.errors import RunError, WorkbenchError
from workbench.training import home

#: Address space that a file from outside may make the process use.
MOST_MEMORY = 16 * 2**30
#: Exports and uploads that are older than this are swept away.
KEPT_SECONDS = 24 * 3600.0


class ProcessPool:
    """One process that is started at the first errand and again after it has died. ``niceness`` says how far
    it steps back for others."""

    def __init__(self, *, niceness: int = 5) -> None:
        self._lock, self._pool, self._niceness = threading.Lock(), None, niceness

    def send(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Do ``work(*arguments)`` there. The Future raises what it raises; a process that dies is a
        RunError."""
        outer: Future = Future()

        def hand_over(inner: Future) -> None:
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
                    1, mp_context=get_context("spawn"), initializer=_begin, initargs=(self._niceness,)
                )
            self._pool.submit(work, *arguments).add_done_callback(hand_over)
        return outer

    def _drop(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def close(self) -> None:
        self._drop()


POOL = ProcessPool()


def shelf(name: str) -> Path:
    """A folder for files that come and go: ``exports`` or ``uploads``."""
    path = home() / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def new_name(suffix: str) -> str:
    """A file name of our own that cannot be guessed."""
    return secrets.token_hex(12) + suffix


# ---- what is done in the other process
# -----------------------------------------------------------------------------
def _begin(niceness: int) -> None:
    import resource
    from contextlib import suppress

    os.environ["OMP_NUM_THREADS"] = "1"
    threading.Thread(target=_outlive_no_server, daemon=True).start()
    with suppress(OSError, ValueError):
        os.nice(niceness)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _outlive_no_server() -> None:
    """A server that is terminated or killed closes no pool, and its process would wait for work for ever:
    it holds both ends of the pipe that it reads from. Nobody waits for its answer any more."""
    parent_process().join()
    os._exit(1)


def opened(source: str) -> Any:
    """The model of a run's folder at its last checkpoint (which nothing here changes), or of an exported
    file."""
    from workbench.export import load
    from workbench.training import RunFolder

    path = Path(source)
    return load(path) if path.is_file() else RunFolder(path).fitted(device="cpu")


def export_to(source: str, key: str, target: str, observation: tuple[float, ...] = ()) -> Path:
    """Write an export, checked against the model; returns where it is. ``observation`` is that of a
    posterior. What needs a run gets one that is made from an exported file, with the history beside it."""
    from workbench.export import FORMATS, export

    if not FORMATS[key].of_run:
        return export(opened(source), key, target, observation=observation)
    if Path(source).is_dir():
        return export(source, key, target, observation=observation)
    history = Path(source).with_name("history.jsonl")
    with TemporaryDirectory() as root:
        run = adopt(source, root, history.read_text(encoding="utf-8") if history.is_file() else "")
        return export(str(Path(root) / run), key, target, observation=observation)


def adopt(file: str, root: str, history: str = "") -> str:
    """An exported model as a finished run of its own, so that it can be looked at like any other. Returns
    the run's id.

    Raises `RefusedError` for a file that is not to be trusted, and `WorkbenchError` where its problem is not
    here.
    """
    from workbench.export import load
    from workbench.training import Run, RunFolder

    fitted = load(file)
    experiment = _experiment_of(fitted, Path(root))
    run = Run(experiment, device="cpu")
    run.model.load_state_dict(fitted.model.state_dict())
    run.data.standardisation.load_state_dict(fitted.standardisation.state_dict())
    run.iteration, run.finished = int(fitted.manifest["iteration"]), True
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
        raise WorkbenchError(
            "The imported model could not be put among the runs", found=str(error)
        ) from error
    return folder.id


def _experiment_of(fitted: Any, root: Path) -> Any:
    """The experiment of an exported model. A file carries no data: those of a table are looked for among the
    runs under ``root``, and are the right ones when they have the standardisation that the model learned."""
    from workbench.training import Experiment, Run, Runs

    experiment = Experiment.from_dict(fitted.manifest["experiment"])
    if not getattr(experiment.problem, "reads_files", False):
        return experiment
    names = [v.name for v in (*fitted.x, *fitted.y)]
    for kept in Runs(root).list():
        try:
            problem = Runs(root).folder(kept.id).experiment().problem
            if problem.key != experiment.problem.key or [v.name for v in (*problem.x, *problem.y)] != names:
                continue
            found = experiment.replace(problem=problem)
            learned = Run(found, device="cpu").data.standardisation.state_dict()
        except WorkbenchError:
            continue
        exported = fitted.standardisation.state_dict()  # perhaps in single precision
        if all(t.equal(learned[name].to(t.dtype)) for name, t in exported.items()):
            return found
    raise WorkbenchError(
        "This model was trained on a table of somebody's own, which an export does not carry",
        expected=f"a run here that was made from the same table (columns {', '.join(names)})",
        found="none",
        suggestion="import it where it was trained, or use it from Python: workbench.load(file)",
    )


def inverted(source: str, target: list[float], method: str, settings: dict, pair: list[int]) -> Any:
    """Inputs whose image is the target, as a Dataset; ``source`` is ``trained:`` or ``exact:`` and a problem,
    or ``run:`` and its id."""
    from workbench.diagnostics import invert
    from workbench.inversion import INVERSION
    from workbench.problems import PROBLEMS
    from workbench.training import Runs

    kind, _, name = source.partition(":")
    if kind == "run":
        model = opened(str(Runs().folder(name).path))
    else:
        model = _forward_network(name) if kind == "trained" else PROBLEMS.make(name)
    return invert(model, target, method=INVERSION.make(method, **settings), pair=tuple(pair))


@cache
def _forward_network(problem: str) -> Any:
    """Trained once a process: seconds."""
    from workbench.inversion import train_forward
    from workbench.problems import PROBLEMS

    return train_forward(PROBLEMS.make(problem))


def take_table(upload: str, target: str) -> list[dict[str, Any]]:
    """Read an uploaded table and write its columns of numbers as Parquet of our own making; returns all
    columns."""
    from dataclasses import asdict

    from workbench.problems.user.readers import read_table
    from workbench.problems.user.table import describe

    raw = read_table(upload)
    columns = describe(upload)
    usable = [c.name for c in columns if not c.refusal]
    frame = raw.frame[usable].rename(columns={n: f"{n} [{raw.units[n]}]" for n in usable if raw.units.get(n)})
    frame.astype("float64").to_parquet(target)
    return [asdict(column) for column in columns]
