"""Observations from an uploaded CSV, NumPy or NetCDF file: checked here, read in the helper process."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np

from workbench.core.errors import DataError
from workbench.core.spreadsheet import original_text

SUFFIXES = (".csv", ".txt", ".npz", ".npy", ".nc")
MAX_BYTES, MAX_UNPACKED_BYTES = 16 * 2**20, 64 * 2**20
#: First bytes of each kind of file.
SIGNATURES = {
    ".npz": (b"PK\x03\x04",),
    ".npy": (b"\x93NUMPY",),
    ".nc": (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n"),
}
MAX_ROWS = 1000


def validate_file(data: bytes, name: str) -> str:
    """Return the suffix of a file name. Raises `DataError` unless size and first bytes fit it."""
    ending = Path(name).suffix.lower()
    if ending not in SUFFIXES:
        raise DataError(
            "This kind of file cannot be read", expected=", ".join(SUFFIXES), found=ending or "no ending"
        )
    if len(data) > MAX_BYTES:
        raise DataError(
            "The file is too large",
            expected=f"at most {MAX_BYTES // 2**20} MB",
            found=f"{len(data) / 2**20:.0f} MB",
        )
    signatures = SIGNATURES.get(ending)
    wrong = not data.startswith(signatures) if signatures else b"\x00" in data[:4096]
    if wrong:
        raise DataError(
            "The file is not what its name says", expected=f"a {ending[1:]} file", found=repr(data[:8])
        )
    return ending


def read_observations(path: str, names: list[str]) -> list[tuple[float, ...]]:
    """Return the observations (M,) in a file, at most `MAX_ROWS`; their values need not be finite.

    They are the M columns or arrays called ``names``. A file without these must hold a single table of
    numbers with one observation per row (or a single one as a column). Raises `DataError` for a file that
    cannot be read or does not fit.
    """
    file = Path(path)
    try:
        table = READERS[file.suffix](file, names)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            "The file cannot be read", expected=f"a {file.suffix[1:]} file of numbers", found=str(error)[:200]
        ) from error
    table = np.atleast_2d(np.asarray(table, dtype=np.float64))
    if table.shape[1] != len(names) and table.shape[0] == len(names) and table.ndim == 2:
        table = table.T
    if table.ndim != 2 or table.shape[1] != len(names) or not len(table):
        columns = ", ".join([*names[:8], "…"] if len(names) > 8 else names)
        raise DataError(
            "The file does not fit this model",
            expected=f"{len(names)} numbers an observation ({columns})",
            found=f"a table of {' by '.join(str(n) for n in table.shape)}",
        )
    return [tuple(float(v) for v in row) for row in table[:MAX_ROWS]]


def _text(file: Path, names: list[str]) -> np.ndarray:
    import pandas as pd

    with open(file, encoding="utf-8", errors="replace") as stream:
        first = next((line for line in stream if line.strip() and not line.startswith("#")), "")
    separator = next((mark for mark in (",", ";", "\t") if mark in first), r"\s+")
    reading = {"sep": separator, "comment": "#", "engine": "python"}
    columns = [part.partition(" [")[0].strip() for part in re.split(separator, first.strip())]
    if all(_is_number(column) for column in columns):
        return pd.read_csv(file, header=None, **reading).to_numpy(dtype=np.float64)
    frame = pd.read_csv(file, **reading)
    frame.columns = [original_text(str(column).partition(" [")[0].strip()) for column in frame.columns]
    selection = frame[names] if set(names) <= set(frame.columns) else frame
    return selection.to_numpy(dtype=np.float64)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numpy(file: Path, names: list[str]) -> np.ndarray:
    if file.suffix == ".npz":
        with zipfile.ZipFile(file) as archive:  # a small archive may unpack to a large one
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise DataError(
                "The file is too large when it is unpacked",
                expected=f"at most {MAX_UNPACKED_BYTES // 2**20} MB",
                found=f"{size / 2**20:.0f} MB",
            )
    content = np.load(file, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content:
        arrays = {name: content[name] for name in content.files}
    return _of_arrays(arrays, names)


def _netcdf(file: Path, names: list[str]) -> np.ndarray:
    import xarray as xr

    with xr.open_dataset(file) as data:
        arrays = {str(name): data[name].values for name in data.data_vars}
    return _of_arrays(arrays, names)


def _of_arrays(arrays: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    if set(names) <= set(arrays):
        return np.column_stack([np.ravel(arrays[name]) for name in names])
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise DataError(
        "The file does not name what is observed",
        expected=f"arrays {', '.join(names[:8])}, or only one",
        found=", ".join(list(arrays)[:8]),
    )


READERS = {".csv": _text, ".txt": _text, ".npz": _numpy, ".npy": _numpy, ".nc": _netcdf}
