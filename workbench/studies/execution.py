"""Running a study: each finished cell is a file, and all cells together are one Dataset."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xarray as xr

from workbench.core.entries import public
from workbench.core.errors import RunError, SpecError, WorkbenchError
from workbench.core.lazy import torch
from workbench.studies.base import STUDIES, Cell, Published, Study
from workbench.studies.folder import StudyFolder, read, write
from workbench.studies.study_context import StudyContext
from workbench.training.device import pick_device

#: States of a cell in the result.
DONE, FAILED, REFUSED, WAITING = "done", "failed", "refused", "waiting"
_PACKAGES = ("vina-workbench", "torch", "zuko", "numpy", "xarray")


@public
def run(
    study: str | Study,
    *,
    out: str | Path | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda text: None,
    **settings: Any,
) -> xr.Dataset:
    """Measure the cells of a study that have no stored result yet, and return the Dataset of all cells.

    Parameters
    ----------
    study : a key of the catalogue, with its ``settings``, or a Study.
    out : the study's folder; by default one under the workbench's home that belongs to these settings.
        A study that was interrupted or killed continues where it was.
    device : auto, cpu, cuda, cuda:N or mps.
    say : called with progress messages.

    Returns
    -------
    Dataset along ``cell``, also in ``out/result.nc``: the study's axes, ``title``, ``status`` and ``note`` as
    coordinates, the columns and arrays as variables, NaN where a cell has no value; attributes ``study``,
    ``settings``, ``versions``, ``device``, ``seconds``, ``columns`` and ``published`` (the last as JSON).

    Raises `SpecError` where the folder belongs to another study or to other settings.
    """
    if isinstance(study, str):
        study = STUDIES.make(study, **settings)
    elif settings:
        raise SpecError("A Study has its settings already", found=", ".join(settings))
    folder = StudyFolder(out) if out is not None else StudyFolder.standard(study)
    device = str(pick_device(device))
    folder.claim(study)
    context, cells = StudyContext(folder, device=device, say=say), study.cells()
    data = gather(study, cells, folder)
    for number, cell in enumerate(cells, 1):
        if cell.refused or folder.cell(cell) is not None:
            continue
        say(f"{number}/{len(cells)} {cell.title}")
        folder.write_cell(cell, _measure(study, cell, context))
        data = gather(study, cells, folder)
        write(data, folder.result)
    write(data, folder.result)
    return data


def _measure(study: Study, cell: Cell, context: StudyContext) -> xr.Dataset:
    """Measure one cell and return its Dataset, with status, note, seconds, device and versions as
    attributes; a `WorkbenchError` gives the status "failed" and its message as the note."""
    start = time.perf_counter()
    try:
        data, status, note = study.measure(cell, context), DONE, ""
    except WorkbenchError as error:
        data, status, note = xr.Dataset(), FAILED, str(error)
        context.say(f"{cell.title}: {note}")
    return data.assign_attrs(
        status=status,
        note=note,
        seconds=time.perf_counter() - start,
        device=_device_name(context.device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=json.dumps({name: version(name) for name in _PACKAGES}),
        experiment="" if cell.experiment is None else json.dumps(cell.experiment.to_dict()),
    )


def _device_name(name: str) -> str:
    """Describe the hardware, without the host name: "cpu (x86_64, 1 thread)", or the name of the GPU."""
    if name.startswith("cuda"):
        return torch.cuda.get_device_name(name)
    threads = torch.get_num_threads()
    return f"{name} ({platform.machine()}, {threads} thread{'s' if threads > 1 else ''})"


def gather(study: Study, cells: list[Cell], folder: StudyFolder) -> xr.Dataset:
    """Concatenate the stored results of all cells along ``cell``, with NaN for cells that are not measured
    yet, and the description of the study as attributes."""
    # every cell's file counts: a cell refused here may have been measured on another machine
    results = [folder.cell(cell) for cell in cells]
    parts = [xr.Dataset() if data is None else data.drop_attrs(deep=False) for data in results]
    attributes = [{} if data is None else data.attrs for data in results]
    states = [
        values.get("status", REFUSED if cell.refused else WAITING)
        for cell, values in zip(cells, attributes, strict=True)
    ]
    notes = [values.get("note", cell.refused) for cell, values in zip(cells, attributes, strict=True)]
    # a scalar in each part keeps cells that have no variable yet
    parts = [
        part.assign(cell_seconds=values.get("seconds", float("nan")))
        for part, values in zip(equal_sizes(parts), attributes, strict=True)
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
    finished_attributes = [values for values in attributes if values]
    return data.assign_coords(
        axes
        | {
            "title": ("cell", [cell.title for cell in cells]),
            "status": ("cell", states),
            "note": ("cell", notes),
            "experiment": ("cell", [values.get("experiment", "") for values in attributes]),
        }
    ).assign_attrs(
        study=study.key,
        study_title=study.title,
        reference=study.reference,
        settings=json.dumps(study.values()),
        axes=json.dumps(list(axes)),
        columns=json.dumps([vars(column) for column in study.columns]),
        published=json.dumps([figure.to_dict() for figure in study.published if _in_grid(figure, cells)]),
        versions=finished_attributes[-1]["versions"] if finished_attributes else "{}",
        device=", ".join(sorted({values["device"] for values in finished_attributes})),
        seconds=float(sum(values["seconds"] for values in finished_attributes)),
        created=max((values["created"] for values in finished_attributes), default=""),
        complete=int(WAITING not in states),
    )


def equal_sizes(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """Extend every dimension without labels to its largest size among ``parts``: with NaN, or with empty
    texts. Cells that were trained for different numbers of steps have loss curves of different lengths.

    Dimensions that are labelled in each part keep their sizes, as their labels say which values are missing.
    """
    sizes: dict[Any, set[int]] = {}
    for part in parts:
        for name, size in part.sizes.items():
            sizes.setdefault(name, set()).add(size)
    uneven = {
        name: max(lengths)
        for name, lengths in sizes.items()
        if len(lengths) > 1 and not all(name in part.indexes for part in parts if name in part.sizes)
    }
    return [_extended(part, uneven) for part in parts]


def _extended(part: xr.Dataset, sizes: dict[Any, int]) -> xr.Dataset:
    """Extend the dimensions of a Dataset that ``sizes`` names, without their labels."""
    part = part.drop_vars([name for name in sizes if name in part.indexes])
    room = {name: (0, sizes[name] - n) for name, n in part.sizes.items() if sizes.get(name, n) > n}
    variables = {}
    for name, variable in part.variables.items():
        widths = {dim: width for dim, width in room.items() if dim in variable.dims}
        fill = {"constant_values": ""} if variable.dtype.kind in "OSU" else {}
        variables[name] = variable.pad(widths, **fill) if widths else variable
    return xr.Dataset(
        {name: variable for name, variable in variables.items() if name not in part.coords},
        coords={name: variable for name, variable in variables.items() if name in part.coords},
        attrs=part.attrs,
    )


def _in_grid(figure: Published, cells: list[Cell]) -> bool:
    """True where a published number belongs to a cell of this grid, which the settings may have made
    smaller."""
    return any(figure.row.items() <= cell.coordinates.items() for cell in cells)


@public
def load(path: str | Path) -> xr.Dataset:
    """Read a study's result from its file or from the study's folder. Raises `RunError` for anything else."""
    path = Path(path)
    data = read(path / "result.nc" if path.is_dir() else path)
    if data is None or "study" not in data.attrs:
        raise RunError(
            "This is not the result of a study", expected="a result.nc, or a study's folder", found=str(path)
        )
    return data
