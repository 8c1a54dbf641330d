"""Simulations of a problem as a Zarr dataset, written in chunks that each have their own seed; resumable.

Chunk i of the rows follows from the seed and i alone, so that a dataset does not depend on interruptions, and
a longer one begins with a shorter one of the same chunk size. It is written to ``FILE.zarr.part`` and moved
into place when it is complete: ``FILE.zarr`` is never half a dataset. ``progress.json`` in that folder counts
the finished chunks; a chunk that was cut off is simulated again, with the same numbers.

The store has Zarr's format 3: one array for each variable over the dimension ``draw``, one file for each
chunk, units and long names in the manner of xarray and the CF conventions, and as attributes of the group the
problem, the seed and the names of x and y. `TableProblem` trains from it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench.core.capability import Capability
from workbench.core.documents import read_json
from workbench.core.entries import public
from workbench.core.errors import DataError, ExportError
from workbench.core.lazy import torch
from workbench.core.names import file_names, original_attribute
from workbench.core.numbers import checked_seed, whole_number
from workbench.problems import PROBLEMS, Problem

if TYPE_CHECKING:
    from workbench.problems import Samples

CHUNK = 10_000
_PROGRESS, _STORE = "progress.json", "store.zarr"


@dataclass(frozen=True)
class SimulationResult:
    """A complete dataset: its path, its numbers of rows and chunks, and the number of chunks that earlier
    calls had written."""

    path: Path
    draws: int
    chunks: int
    resumed: int


@public
def simulate(
    problem: Problem | str,
    draws: int,
    path: str | Path,
    *,
    chunk: int = CHUNK,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SimulationResult:
    """Write ``draws`` pairs of a problem to ``path`` (.zarr), or resume an earlier call that was cut off.

    Parameters
    ----------
    problem : a problem, or the key of one; anything with a prior and a simulator.
    chunk : rows that are simulated and written at a time.
    seed : seed of the whole dataset; the same problem, seed and chunk give the same numbers.
    progress : called with (finished chunks, all chunks) after each chunk.

    Raises `DataError` where the problem has no simulator, `ExportError` where ``path`` already holds
    something else, was begun with other settings, or cannot be written (a full disk: finished chunks stay,
    and the same call continues).
    """
    problem = PROBLEMS.make(problem) if isinstance(problem, str) else problem
    path, seed = Path(path), checked_seed(seed, low=0)
    draws = whole_number(draws, "number of draws", error=DataError)
    chunk = whole_number(chunk, "number of pairs in a chunk", error=DataError)
    _check(problem, path)
    request = _request(problem, draws, chunk, seed)
    total = -(-draws // chunk)
    if path.exists():
        _check_same(path, request, _attributes(path))
        return SimulationResult(path, draws, total, total)
    part = path.with_name(path.name + ".part")
    _check_room(path, draws * (len(problem.x) + len(problem.y)) * 8)
    try:
        before = _begin(part, request, problem)
        for index in range(before, total):
            rows = min(chunk, draws - index * chunk)
            _write(part / _STORE, problem, chunk_of(problem, index, chunk, seed), index * chunk, rows)
            _mark(part, index + 1)
            if progress is not None:
                progress(index + 1, total)
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
    return SimulationResult(path, draws, total, before)


def chunk_of(problem: Problem, index: int, chunk: int, seed: int = 0) -> Samples:
    """Draw chunk ``index`` of a dataset: ``chunk`` pairs from a generator that depends on ``seed`` and
    ``index`` alone."""
    import numpy as np

    words = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)
    return problem.draw(chunk, torch.Generator().manual_seed(int(words[0] >> np.uint64(1))))


def _check(problem: Problem, path: Path) -> None:
    rows_alone = getattr(problem, "reads_files", False)
    if rows_alone or (problem.y and Capability.SIMULATE not in problem.capabilities):
        raise DataError(
            f"'{problem.key}' has no simulator",
            expected="a problem that " + Capability.SIMULATE.sentence,
            suggestion="its rows are a file already",
        )
    if path.suffix != ".zarr":
        raise ExportError("Simulations are written as a Zarr dataset", expected="FILE.zarr", found=str(path))


def _check_room(path: Path, size: int) -> None:
    """Raise `ExportError` where the disk of ``path`` is smaller than ``size`` bytes."""
    folder = next((p for p in path.absolute().parents if p.is_dir()), Path("/"))
    total = shutil.disk_usage(folder).total
    if size > total:
        raise ExportError(
            f"The simulations do not fit on the disk of '{folder}'",
            expected=f"at most {total} bytes",
            found=f"{size} bytes",
            suggestion="ask for fewer draws, or name a folder on a larger disk",
        )


def _request(problem: Problem, draws: int, chunk: int, seed: int) -> dict[str, Any]:
    """Return what determines the numbers of a dataset, to be stored with it."""
    return {
        "problem": problem.key,
        "settings": json.dumps(_settings(problem), sort_keys=True),
        "draws": draws,
        "chunk": chunk,
        "seed": seed,
        "x": [v.name for v in problem.x],
        "y": [v.name for v in problem.y],
    }


def _settings(problem: Problem) -> dict[str, Any]:
    """Return the problem's settings; empty for a user's simulator, whose functions cannot be stored."""
    return {} if type(problem).unavailable() else problem.values()


def _begin(part: Path, request: dict[str, Any], problem: Problem) -> int:
    """Create the unfinished store, or check that an existing one belongs to this request; return its
    number of finished chunks."""
    note = part / _PROGRESS
    if note.is_file():
        _check_same(part, request, _read_note(part)["asked"])
        return _finished(part)
    if part.exists():  # cut off before the first note: no chunk in it is complete
        shutil.rmtree(part)
    part.mkdir(parents=True)
    _empty(part / _STORE, request, problem)
    _write_note(part, request, 0)
    return 0


def _mark(part: Path, count: int) -> None:
    """Record in ``progress.json`` that ``count`` chunks are complete."""
    _write_note(part, _read_note(part)["asked"], count)


def _write_note(part: Path, request: dict[str, Any], count: int) -> None:
    from workbench.training.folder import write_whole

    write_whole(part / _PROGRESS, json.dumps({"asked": request, "done": count}, indent=1).encode())


def _finished(part: Path) -> int:
    return _read_note(part)["done"] if (part / _PROGRESS).is_file() else 0


def _read_note(part: Path) -> dict[str, Any]:
    """Read ``progress.json``. Raises `ExportError` for a damaged one."""
    note = read_json((part / _PROGRESS).read_bytes(), f"The file '{part.name}/{_PROGRESS}'", ExportError)
    if (
        not isinstance(note, dict)
        or not isinstance(note.get("asked"), dict)
        or type(note.get("done")) is not int
    ):
        raise ExportError(
            f"The file '{part.name}/{_PROGRESS}' is damaged",
            expected="the request and the number of finished chunks",
            found=str(note)[:80],
            suggestion=f"remove '{part}' and begin anew",
        )
    return note


def _check_same(where: Path, request: dict[str, Any], previous: dict[str, Any]) -> None:
    """Raise `ExportError` where the data at ``where`` were begun for another problem, number of draws, chunk
    or seed than ``request`` names; ``previous`` is the request that is stored with them."""
    other = {name: previous.get(name) for name in request if previous.get(name) != request[name]}
    if other:
        raise ExportError(
            f"'{where}' is there already and holds something else",
            expected=", ".join(f"{name} {request[name]}" for name in other),
            found=", ".join(f"{name} {value}" for name, value in other.items()),
            suggestion="name another file, or move this one away",
        )


def _attributes(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / "zarr.json").read_text(encoding="utf-8")).get("attributes", {})
    except (OSError, ValueError):
        return {}


def _empty(store: Path, request: dict[str, Any], problem: Problem) -> None:
    import zarr

    maker = f"vina-workbench {workbench.__version__}"
    about = {"title": f"Simulations of {problem.title}", "created_by": maker}
    group = zarr.create_group(store, zarr_format=3, attributes=request | about)
    names = _array_names(problem)
    for role in ("x", "y"):
        for variable in getattr(problem, role):
            group.create_array(
                names[variable.name],
                shape=(request["draws"],),
                chunks=(min(request["chunk"], request["draws"]),),
                dtype="float64",
                dimension_names=["draw"],
                attributes={
                    "units": variable.unit or "1",
                    "long_name": variable.description or variable.name,
                    "symbol": variable.symbol,
                    "role": role,
                    **original_attribute(variable.name, names[variable.name]),
                },
            )


def _array_names(problem: Problem) -> dict[str, str]:
    """Return {name of a variable: name of its array in the store}."""
    return file_names(v.name for v in (*problem.x, *problem.y))


def _write(store: Path, problem: Problem, samples: Samples, start: int, rows: int) -> None:
    import zarr

    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    columns = zip((*problem.x, *problem.y), torch.cat([samples.x, samples.y], 1).T.numpy(), strict=True)
    names = _array_names(problem)
    for variable, column in columns:
        group[names[variable.name]][start : start + rows] = column[:rows]


def _consolidate(store: Path) -> None:
    """Write the consolidated metadata: one file that describes all arrays, which xarray reads first."""
    import zarr

    with warnings.catch_warnings():
        # xarray writes and reads it by default, though it is not in the specification yet
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(store)


def to_table(result: SimulationResult) -> dict[str, Any]:
    """Return the result as a JSON-ready table."""
    return asdict(result) | {"path": str(result.path)}
