"""Results to compare, read from files: the cells of studies and the stored runs, as one table.

No network is built here: numbers, loss curves and draws are those that a study or a run has stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import RunError, WorkbenchError
from workbench.studies.base import Column
from workbench.studies.execution import DONE, load
from workbench.studies.table import columns, setting
from workbench.training import History, Runs, home

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

RUNS = "runs"
#: Columns of the table for stored runs.
RUN_COLUMNS = (
    Column("loss", "loss", "", "low"),
    Column("steps_done", "steps"),
    Column("training_seconds", "training", "s", "low"),
    Column("parameters", "parameters"),
)


@dataclass(frozen=True)
class Draws:
    """Stored posterior draws ``x`` (observation, draw, parameter) at observations ``y`` (observation,
    quantity), and the names of the parameters."""

    x: np.ndarray
    y: np.ndarray
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One row to compare: a cell of a study, or a run.

    Attributes
    ----------
    id : unique among all sources.    source : key of the `Source` that it comes from.
    numbers : column name -> number.    each : column name -> individual values that the number summarises.
    state, note : whether the cell or run is finished, and any message that belongs to it.
    curve : (3, points) iteration, training and validation loss; empty where nothing was trained.
    figures : (column name, tag) -> published number for this row.
    """

    id: str
    source: str
    title: str
    state: str
    note: str = ""
    seed: int | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    each: dict[str, np.ndarray] = field(default_factory=dict)
    curve: np.ndarray = field(default_factory=lambda: np.empty((3, 0)))
    draws: Draws | None = None
    figures: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Origin of entries: the result file of a study, or all stored runs (``path`` None); with the columns
    of its table."""

    key: str
    title: str
    path: Path | None
    columns: tuple[Column, ...]


def sources(folders: Iterable[str | Path] = ()) -> list[Source]:
    """Return the available sources, in this order: results of studies under the workbench's home, result
    files (``*.nc``) in further ``folders``, and the stored runs where there are any.

    A file that cannot be read is left out.
    """
    places = [*sorted((home() / "studies").glob("*/result.nc"))]
    places += [path for folder in folders for path in sorted(Path(folder).glob("*.nc"))]
    available = []
    for path in places:
        try:
            data = load(path)
        except RunError:
            continue
        name = path.parent.name if path.name == "result.nc" else path.stem
        title = f"{data.attrs['study_title']} ({setting(data)}; {name})"
        available.append(Source(str(path), title, path, tuple(columns(data))))
    if Runs().list():
        available.append(Source(RUNS, "Stored runs", None, RUN_COLUMNS))
    return available


def entries(source: Source) -> list[Entry]:
    """Read the entries of a source: the cells of a study in the order of its result, or the stored runs."""
    return _runs() if source.path is None else _cells(source)


def _cells(source: Source) -> list[Entry]:
    data = load(source.path)
    figures, axes = json.loads(data.attrs["published"]), json.loads(data.attrs["axes"])
    return [_cell(source, data, i, axes, figures) for i in range(data.sizes["cell"])]


def _cell(source: Source, data: xr.Dataset, i: int, axes: Sequence[str], figures: list[dict]) -> Entry:
    place = {name: data[name].values[i].item() for name in axes}
    numbers = {c.name: float(data[c.name].values[i]) for c in source.columns if c.name in data}
    is_done = str(data["status"].values[i]) == DONE
    return Entry(
        id="/".join([source.key, *(str(v) for v in place.values())]),
        source=source.key,
        title=str(data["title"].values[i]),
        state=str(data["status"].values[i]),
        note=str(data["note"].values[i]),
        seed=place.get("seed"),
        numbers={name: value for name, value in numbers.items() if np.isfinite(value)},
        each={
            c.name: data[f"{c.name}_each"].values[i]
            for c in source.columns
            if is_done and f"{c.name}_each" in data
        },
        curve=_curve(data, i) if is_done else np.empty((3, 0)),
        draws=_draws(data, i) if is_done and "shown_draws" in data else None,
        figures={(f["column"], f["tag"]): f["value"] for f in figures if f["row"].items() <= place.items()},
    )


def _curve(data: xr.Dataset, i: int) -> np.ndarray:
    names = ("curve_iteration", "curve_training", "curve_validation")
    if not all(name in data for name in names):
        return np.empty((3, 0))
    values = np.stack([data[name].values[i] for name in names])
    return values[:, np.isfinite(values[0])]


def _draws(data: xr.Dataset, i: int) -> Draws:
    names = tuple(str(name) for name in data["parameter"].values)
    observations = data["shown_y"]
    return Draws(
        data["shown_draws"].values[i].astype(np.float64),
        (observations.isel(cell=i) if "cell" in observations.dims else observations).values,
        names,
    )


def _runs() -> list[Entry]:
    runs, rows = Runs(), []
    for info in runs.list():
        status, history, note = {}, History(), info.message
        try:
            folder = runs.folder(info.id)
            status, history = folder.status(), folder.history()
        except WorkbenchError as error:
            note = note or str(error)
        numbers = {"steps_done": info.iteration, "loss": status.get("loss")}
        numbers |= {"training_seconds": status.get("seconds"), "parameters": status.get("parameters")}
        marks = [(r.iteration, r.loss, r.validation.get("loss", np.nan)) for r in history]
        rows.append(
            Entry(
                id=f"{RUNS}/{info.id}",
                source=RUNS,
                title=f"damaged: {info.message}" if info.state == "damaged" else info.title,
                state=info.state,
                note=note,
                numbers={k: float(v) for k, v in numbers.items() if isinstance(v, int | float)},
                curve=np.asarray(marks, dtype=float).reshape(-1, 3).T,
            )
        )
    return rows


def frame(listed: Sequence[Entry], columns: Sequence[Column]) -> pd.DataFrame:
    """Return the entries as a DataFrame, one row per entry: ``id``, ``what`` (the entry's title), ``seed``,
    ``state``, then the given columns under their labels (NaN where there is no number)."""
    import pandas as pd

    table: dict[str, list[Any]] = {
        "id": [e.id for e in listed],
        "what": [e.title for e in listed],
        "seed": ["" if e.seed is None else str(e.seed) for e in listed],
        "state": [e.state for e in listed],
    }
    for column in columns:
        table[column.label] = [e.numbers.get(column.name, float("nan")) for e in listed]
    return pd.DataFrame(table)
