"""Simulations of a problem as a Zarr dataset: made in chunks, each from its own seed, resumed where they
stopped.

Chunk i of the rows follows from the seed and i alone, so that a dataset is the same whatever interrupted
its making, and a longer one begins with a shorter one of the same chunks. It is made in ``FILE.zarr.part``
and moved into place when it is whole: what is called ``FILE.zarr`` is never half a dataset.
``progress.json`` beside it counts the chunks whose numbers lie on the disk; a chunk that was cut off is
made again, with the same numbers.

The store is Zarr of version 3: one array a variable over the dimension ``draw``, one file a chunk, units
and long names as xarray and the CF conventions have them, and as attributes of the group the problem, the
seed and which variables are x and y. `TableProblem` trains from it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import workbench
from workbench.core.capability import Capability
from workbench.core.errors import DataError, ExportError
from workbench.problems import PROBLEMS, Problem, Samples
from workbench.training.folder import write_whole

CHUNK = 10_000
_PROGRESS, _STORE = "progress.json", "store.zarr"


@dataclass(frozen=True)
class Made:
    """What became of a request: the dataset, its rows and chunks, and how many chunks had been there
    before."""

    path: Path
    draws: int
    chunks: int
    resumed: int


def simulate(
    problem: Problem | str,
    draws: int,
    path: str | Path,
    *,
    chunk: int = CHUNK,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Write ``draws`` pairs of a problem to ``path`` (.zarr), or go on where an earlier call was cut off.

    Parameters
    ----------
    problem : a problem, or the key of one; anything with a prior and a simulator.
    chunk : rows that are made, and kept, at a time.
    seed : of the whole dataset; same problem, seed and chunk, same numbers.
    progress : called with (chunks that are done, all chunks) after each.

    Raises `DataError` where the problem makes no simulations, `ExportError` where ``path`` is something
    else already, was begun with other settings, or cannot be written (a full disk: finished chunks stay,
    and the same call goes on).
    """
    problem = PROBLEMS.make(problem) if isinstance(problem, str) else problem
    path = Path(path)
    _check(problem, draws, chunk, path)
    asked = {
        "problem": problem.key,
        "settings": json.dumps(_settings(problem), sort_keys=True),
        "draws": int(draws),
        "chunk": int(chunk),
        "seed": int(seed),
        "x": [v.name for v in problem.x],
        "y": [v.name for v in problem.y],
    }
    total = -(-draws // chunk)
    if path.exists():
        _same(path, asked, _attributes(path))
        return Made(path, draws, total, total)
    part = path.with_name(path.name + ".part")
    try:
        done = resumed = _begin(part, asked, problem)
        while done < total:
            rows = min(chunk, draws - done * chunk)
            _write(part / _STORE, problem, chunk_of(problem, done, chunk, seed), done * chunk, rows)
            done += 1
            _mark(part, done)
            if progress is not None:
                progress(done, total)
        _consolidate(part / _STORE)
        os.replace(part / _STORE, path)
    except OSError as error:
        raise ExportError(
            f"The simulations cannot be written to '{path}'",
            expected="a disk with room",
            found=f"{type(error).__name__}: {error}",
            suggestion=f"make room and ask again; '{part.name}' keeps {_finished(part)} of {total} chunks",
        ) from error
    shutil.rmtree(part, ignore_errors=True)
    return Made(path, draws, total, resumed)


def chunk_of(problem: Problem, index: int, chunk: int, seed: int = 0) -> Samples:
    """Chunk ``index`` of a dataset: ``chunk`` pairs from a generator of its own."""
    words = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)
    return problem.draw(chunk, torch.Generator().manual_seed(int(words[0] >> np.uint64(1))))


def _check(problem: Problem, draws: int, chunk: int, path: Path) -> None:
    rows_alone = getattr(problem, "reads_files", False)
    if rows_alone or (problem.y and Capability.SIMULATE not in problem.capabilities):
        raise DataError(
            f"'{problem.key}' has no simulator",
            expected="a problem that " + Capability.SIMULATE.sentence,
            suggestion="its rows are a file already",
        )
    for name, value in (("draws", draws), ("chunk", chunk)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DataError(
                f"The number of {name} cannot be {value!r}", expected="a whole number of at least 1"
            )
    if path.suffix != ".zarr":
        raise ExportError("Simulations are written as a Zarr dataset", expected="FILE.zarr", found=str(path))


def _settings(problem: Problem) -> dict[str, Any]:
    """What a simulator's functions are cannot be written down; its variables stand in the dataset."""
    return {} if type(problem).unavailable() else problem.values()


def _begin(part: Path, asked: dict[str, Any], problem: Problem) -> int:
    """Chunks that are there already, after making the empty store where there is none."""
    noted = part / _PROGRESS
    if noted.is_file():
        _same(part, asked, json.loads(noted.read_text(encoding="utf-8"))["asked"])
        return _finished(part)
    if part.exists():  # cut off before the first note: nothing in it is finished
        shutil.rmtree(part)
    part.mkdir(parents=True)
    _empty(part / _STORE, asked, problem)
    write_whole(noted, json.dumps({"asked": asked, "done": 0}, indent=1).encode())
    return 0


def _mark(part: Path, done: int) -> None:
    noted = part / _PROGRESS
    asked = json.loads(noted.read_text(encoding="utf-8"))["asked"]
    write_whole(noted, json.dumps({"asked": asked, "done": done}, indent=1).encode())


def _finished(part: Path) -> int:
    noted = part / _PROGRESS
    return int(json.loads(noted.read_text(encoding="utf-8"))["done"]) if noted.is_file() else 0


def _same(where: Path, asked: dict[str, Any], found: dict[str, Any]) -> None:
    other = {name: found.get(name) for name in asked if found.get(name) != asked[name]}
    if other:
        raise ExportError(
            f"'{where}' is there already and holds something else",
            expected=", ".join(f"{name} {asked[name]}" for name in other),
            found=", ".join(f"{name} {value}" for name, value in other.items()),
            suggestion="name another file, or move this one away",
        )


def _attributes(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / "zarr.json").read_text(encoding="utf-8")).get("attributes", {})
    except (OSError, ValueError):
        return {}


def _empty(store: Path, asked: dict[str, Any], problem: Problem) -> None:
    import zarr

    maker = f"vina-workbench {workbench.__version__}"
    about = {"title": f"Simulations of {problem.title}", "created_by": maker}
    group = zarr.create_group(store, zarr_format=3, attributes=asked | about)
    for role in ("x", "y"):
        for variable in getattr(problem, role):
            group.create_array(
                variable.name,
                shape=(asked["draws"],),
                chunks=(min(asked["chunk"], asked["draws"]),),
                dtype="float64",
                dimension_names=["draw"],
                attributes={
                    "units": variable.unit or "1",
                    "long_name": variable.description or variable.name,
                    "symbol": variable.symbol,
                    "role": role,
                },
            )


def _write(store: Path, problem: Problem, drawn: Samples, start: int, rows: int) -> None:
    import zarr

    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    columns = zip((*problem.x, *problem.y), torch.cat([drawn.x, drawn.y], 1).T.numpy(), strict=True)
    for variable, column in columns:
        group[variable.name][start : start + rows] = column[:rows]


def _consolidate(store: Path) -> None:
    """One file that describes all arrays, which xarray looks for first."""
    import zarr

    with warnings.catch_warnings():
        # part of what xarray writes and reads by default, not yet of the specification
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(store)


def request_of(made: Made) -> dict[str, Any]:
    """JSON-ready."""
    return asdict(made) | {"path": str(made.path)}
