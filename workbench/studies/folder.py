"""A study as a folder that outlives its process: what is finished is a file.

study.json    the study's key and all settings        cells/ID.nc   one finished cell
runs/ID/      the run of a cell that trains            result.nc     all cells, written anew after each
kept/NAME.nc  what the cells share
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path

import xarray as xr

from workbench.core.errors import RunError, SpecError
from workbench.studies.base import STUDIES, Cell, Study
from workbench.training import RunFolder, home
from workbench.training.folder import write_whole

VERSION = 1


class StudyFolder:
    """Reads and writes a study's folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def standard(cls, study: Study) -> StudyFolder:
        """Where a study lives when nothing is said: the same settings always in the same folder."""
        text = json.dumps(study.values(), sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        return cls(home() / "studies" / f"{study.key}-{'fast-' if study.fast else ''}{mark}")

    def claim(self, study: Study) -> None:
        """Make the folder this study's. Raises `SpecError` where another study, or the same with other
        settings, lives in it."""
        wanted = {"version": VERSION, "key": study.key, "settings": study.values()}
        path = self.path / "study.json"
        if not path.exists():
            write_whole(path, json.dumps(wanted, indent=2).encode())
            return
        found = json.loads(path.read_text(encoding="utf-8"))
        if found == wanted:
            return
        differing = [
            f"{name}={found.get('settings', {}).get(name)!r}"
            for name, value in wanted["settings"].items()
            if found.get("settings", {}).get(name) != value
        ]
        raise SpecError(
            f"Another study lives in {self.path}",
            expected=f"'{study.key}' with the settings asked for",
            found=f"'{found.get('key')}'" + (f" with {', '.join(differing)}" if differing else ""),
            suggestion="choose another folder, or the same settings to go on",
        )

    def study(self) -> Study:
        """The study that lives here, with its settings."""
        path = self.path / "study.json"
        if not path.exists():
            raise RunError(
                f"'{self.path.name}' is not a study",
                expected="a folder with study.json",
                found=str(self.path),
            )
        found = json.loads(path.read_text(encoding="utf-8"))
        return STUDIES.make(found["key"], **found["settings"])

    # ---- cells
    def cell(self, cell: Cell) -> xr.Dataset | None:
        """The finished cell, or None. A file that cannot be read counts as not there."""
        return read(self.path / "cells" / f"{cell.id}.nc")

    def write_cell(self, cell: Cell, data: xr.Dataset) -> None:
        write(data, self.path / "cells" / f"{cell.id}.nc")

    def run(self, cell: Cell) -> RunFolder:
        return RunFolder(self.path / "runs" / cell.id)

    # ---- shared parts, result
    def kept(self, name: str) -> Path:
        return self.path / "kept" / f"{name}.nc"

    @property
    def result(self) -> Path:
        return self.path / "result.nc"


def write(data: xr.Dataset, path: Path) -> None:
    """A NetCDF file with compressed arrays and texts, either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}.nc")
    packed = {n: {"zlib": True} for n, v in data.data_vars.items() if v.ndim and v.dtype.kind in "fiu"}
    # as characters, since NetCDF compresses no texts; an experiment in each row would fill the file
    packed |= {n: {"zlib": True, "dtype": "S1"} for n, v in data.variables.items() if _has_letters(v)}
    try:
        data.to_netcdf(temporary, engine="netcdf4", encoding=packed)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _has_letters(variable: xr.Variable) -> bool:
    return variable.ndim > 0 and variable.dtype.kind in "OU" and any(variable.values.ravel().tolist())


def _with_texts(data: xr.Dataset) -> xr.Dataset:
    """Characters come back as objects; texts are texts."""
    for name, variable in data.variables.items():
        if variable.ndim and variable.dtype.kind == "O":
            data[name] = (variable.dims, variable.values.astype(str), variable.attrs)
    return data


def read(path: Path) -> xr.Dataset | None:
    """The file's content in memory; None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        with xr.open_dataset(path, engine="netcdf4") as stored:
            return _with_texts(stored.load())
    except (OSError, ValueError, RuntimeError):
        return None
