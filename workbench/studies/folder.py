"""A study's folder: every finished part is a file, so that the study outlives its process.

study.json      the study's key and all settings        cells/ID.nc   one finished cell
runs/ID/        the run of a cell that trains            result.nc     all cells, rewritten after each
cached/NAME.nc  Datasets that several cells use; ``kept/`` in folders written by earlier versions
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import RunError, SpecError
from workbench.studies.base import STUDIES, Cell, Study

if TYPE_CHECKING:
    import xarray as xr

    from workbench.training import RunFolder

VERSION = 1
#: Folder of the cached Datasets, and its name in folders written by earlier versions.
_CACHED, _CACHED_BEFORE = "cached", "kept"


@public
class StudyFolder:
    """Reader and writer of a study's folder; the files are described in the module."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def standard(cls, study: Study) -> StudyFolder:
        """The default folder under the workbench's home: the same settings always give the same folder."""
        from workbench.training import home

        text = json.dumps(study.values(), sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        return cls(home() / "studies" / f"{study.key}-{'fast-' if study.fast else ''}{mark}")

    def claim(self, study: Study) -> None:
        """Record the study and its settings in the folder, or check those that it records already. Raises
        `SpecError` where it belongs to another study, or to the same one with other settings."""
        from workbench.training.folder import write_whole

        content = {"version": VERSION, "key": study.key, "settings": study.values()}
        path = self.path / "study.json"
        if not path.exists():
            write_whole(path, json.dumps(content, indent=2).encode())
            return
        previous = json.loads(path.read_text(encoding="utf-8"))
        if previous == content:
            return
        differences = [
            f"{name}={previous.get('settings', {}).get(name)!r}"
            for name, value in content["settings"].items()
            if previous.get("settings", {}).get(name) != value
        ]
        raise SpecError(
            f"Another study lives in {self.path}",
            expected=f"'{study.key}' with the settings asked for",
            found=f"'{previous.get('key')}'" + (f" with {', '.join(differences)}" if differences else ""),
            suggestion="choose another folder, or the same settings to go on",
        )

    def study(self) -> Study:
        """Recreate the study from the key and settings that the folder records. Raises `RunError` where it
        records none."""
        path = self.path / "study.json"
        if not path.exists():
            raise RunError(
                f"'{self.path.name}' is not a study",
                expected="a folder with study.json",
                found=str(self.path),
            )
        previous = json.loads(path.read_text(encoding="utf-8"))
        return STUDIES.make(previous["key"], **previous["settings"])

    # ---- cells
    def cell(self, cell: Cell) -> xr.Dataset | None:
        """Read the stored result of a cell; None where the file is missing or cannot be read."""
        return read(self.path / "cells" / f"{cell.id}.nc")

    def write_cell(self, cell: Cell, data: xr.Dataset) -> None:
        """Store the result of a cell."""
        write(data, self.path / "cells" / f"{cell.id}.nc")
        shutil.rmtree(self.loop(cell), ignore_errors=True)

    def loop(self, cell: Cell) -> Path:
        """Return the folder with the checkpoints of a cell whose training is no run."""
        return self.path / "loops" / cell.id

    def run(self, cell: Cell) -> RunFolder:
        """Return the folder of the training run of a cell."""
        from workbench.training import RunFolder

        return RunFolder(self.path / "runs" / cell.id)

    # ---- shared parts, result
    def cached(self, name: str) -> Path:
        """Return the path of a cached Dataset that several cells share."""
        before = self.path / _CACHED_BEFORE
        return (before if before.is_dir() else self.path / _CACHED) / f"{name}.nc"

    @property
    def result(self) -> Path:
        return self.path / "result.nc"


def write(data: xr.Dataset, path: Path) -> None:
    """Write a Dataset as NetCDF with compressed arrays and strings; a crash leaves the old file or the new
    one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}.nc")
    encoding = {n: {"zlib": True} for n, v in data.data_vars.items() if v.ndim and v.dtype.kind in "fiu"}
    # as characters, since NetCDF does not compress strings; an experiment in each row would fill the file
    encoding |= {n: {"zlib": True, "dtype": "S1"} for n, v in data.variables.items() if _has_letters(v)}
    try:
        data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _has_letters(variable: xr.Variable) -> bool:
    return variable.ndim > 0 and variable.dtype.kind in "OU" and any(variable.values.ravel().tolist())


def _with_texts(data: xr.Dataset) -> xr.Dataset:
    """Convert arrays of objects, in which NetCDF's characters arrive, to arrays of strings, in place."""
    for name, variable in data.variables.items():
        if variable.ndim and variable.dtype.kind == "O":
            data[name] = (variable.dims, variable.values.astype(str), variable.attrs)
    return data


def read(path: Path) -> xr.Dataset | None:
    """Read a NetCDF file into memory; None where it is missing or cannot be read."""
    import xarray as xr

    if not path.is_file():
        return None
    try:
        with xr.open_dataset(path, engine="netcdf4") as file:
            return _with_texts(file.load())
    except (OSError, ValueError, RuntimeError):
        return None
