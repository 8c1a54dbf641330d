"""Running a study: cell by cell, each finished one a file, all of them one Dataset."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from workbench.core.errors import RunError, SpecError, WorkbenchError
from workbench.studies.base import STUDIES, Cell, Published, Study
from workbench.studies.folder import StudyFolder, read, write
from workbench.studies.study_context import Bench
from workbench.training.device import pick_device

#: States of a cell in the result.
DONE, FAILED, REFUSED, WAITING = "done", "failed", "refused", "waiting"
_PACKAGES = ("vina-workbench", "torch", "zuko", "numpy", "xarray")


def run(
    study: str | Study,
    *,
    out: str | Path | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda text: None,
    **settings: Any,
) -> xr.Dataset:
    """Measure every cell of a study that has no file yet, and return the whole.

    Parameters
    ----------
    study : a key of the catalogue with its settings, or a Study.
    out : the study's folder (by default one under the workbench's home that belongs to these settings).
        A study that was interrupted or killed goes on where it was.
    device : auto, cpu, cuda, cuda:N or mps.
    say : is handed lines about the progress.

    Returns
    -------
    Dataset along ``cell``, also in ``out/result.nc``: the study's axes, ``title``, ``status`` and ``note`` as
    coordinates, the columns and arrays as variables, NaN where a cell has no value; attributes ``study``,
    ``settings``, ``versions``, ``device``, ``seconds``, ``columns`` and ``published`` (the last as JSON).

    Raises `SpecError` where another study lives in the folder.
    """
    if isinstance(study, str):
        study = STUDIES.make(study, **settings)
    elif settings:
        raise SpecError("A Study has its settings already", found=", ".join(settings))
    folder = StudyFolder(out) if out is not None else StudyFolder.standard(study)
    device = str(pick_device(device))
    folder.claim(study)
    bench, cells = Bench(folder, device=device, say=say), study.cells()
    data = gather(study, cells, folder)
    for number, cell in enumerate(cells, 1):
        if cell.refused or folder.cell(cell) is not None:
            continue
        say(f"{number}/{len(cells)} {cell.title}")
        folder.write_cell(cell, _measured(study, cell, bench))
        data = gather(study, cells, folder)
        write(data, folder.result)
    write(data, folder.result)
    return data


def _measured(study: Study, cell: Cell, bench: Bench) -> xr.Dataset:
    start = time.perf_counter()
    try:
        found, status, note = study.measure(cell, bench), DONE, ""
    except WorkbenchError as error:
        found, status, note = xr.Dataset(), FAILED, str(error)
        bench.say(f"{cell.title}: {note}")
    return found.assign_attrs(
        status=status,
        note=note,
        seconds=time.perf_counter() - start,
        device=_device(bench.device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps({name: version(name) for name in _PACKAGES}),
        experiment="" if cell.experiment is None else json.dumps(cell.experiment.to_dict()),
    )


def _device(name: str) -> str:
    """The class of the machine, without its name: "cpu (x86_64, 1 thread)" or what the GPU calls itself."""
    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    threads = torch.get_num_threads()
    return f"{name} ({platform.machine()}, {threads} thread{'s' if threads > 1 else ''})"


def gather(study: Study, cells: list[Cell], folder: StudyFolder) -> xr.Dataset:
    """All cells along ``cell``, finished or not."""
    stored = [folder.cell(cell) for cell in cells]  # a rival may have been measured where it is installed
    parts = [xr.Dataset() if data is None else data.drop_attrs(deep=False) for data in stored]
    about = [{} if data is None else data.attrs for data in stored]
    states = [
        known.get("status", REFUSED if cell.refused else WAITING)
        for cell, known in zip(cells, about, strict=True)
    ]
    notes = [known.get("note", cell.refused) for cell, known in zip(cells, about, strict=True)]
    # a scalar of its own keeps cells that have no variable yet
    parts = [
        part.assign(cell_seconds=known.get("seconds", float("nan")))
        for part, known in zip(parts, about, strict=True)
    ]
    data = xr.concat(
        parts,
        dim="cell",
        data_vars="all",
        coords="minimal",
        compat="override",
        join="outer",
        combine_attrs="drop",
    )
    axes = {name: ("cell", [cell.coordinates[name] for cell in cells]) for name in cells[0].coordinates}
    done = [known for known in about if known]
    return data.assign_coords(
        axes
        | {
            "title": ("cell", [cell.title for cell in cells]),
            "status": ("cell", states),
            "note": ("cell", notes),
            "experiment": ("cell", [known.get("experiment", "") for known in about]),
        }
    ).assign_attrs(
        study=study.key,
        study_title=study.title,
        reference=study.reference,
        settings=json.dumps(study.values()),
        axes=json.dumps(list(axes)),
        columns=json.dumps([vars(column) for column in study.columns]),
        published=json.dumps([figure.to_dict() for figure in study.published if _in_grid(figure, cells)]),
        versions=done[-1]["versions"] if done else "{}",
        device=", ".join(sorted({known["device"] for known in done})),
        seconds=float(sum(known["seconds"] for known in done)),
        created=max((known["created"] for known in done), default=""),
        complete=int(WAITING not in states),
    )


def _in_grid(figure: Published, cells: list[Cell]) -> bool:
    """Whether a row of this grid, which settings may have made smaller, has the figure."""
    return any(figure.row.items() <= cell.coordinates.items() for cell in cells)


def load(path: str | Path) -> xr.Dataset:
    """A study's result from its file, or from the folder that it stands in. Raises `RunError`."""
    path = Path(path)
    found = read(path / "result.nc" if path.is_dir() else path)
    if found is None or "study" not in found.attrs:
        raise RunError(
            "This is not the result of a study", expected="a result.nc, or a study's folder", found=str(path)
        )
    return found
