"""Read tables from files and from Python without ever executing code that a file contains.

Text, Excel and frames through pandas, Parquet and Feather through pyarrow, NetCDF, Zarr and HDF5 through
xarray, each imported when a file needs it. Nothing is unpickled: the array codecs of Zarr are checked against
a list before the store is opened, and object arrays are refused.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import DataError
from workbench.problems.user import array_tables, program_files, text_tables
from workbench.problems.user.content import refuse_foreign
from workbench.problems.user.decimals import Writing, certain_mark, together
from workbench.problems.user.raw_table import RawTable, add_attributes, check_size, choose, named
from workbench.problems.user.safety import refuse_links

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

#: Kind of file by its ending; text may also be compressed, as in .csv.gz.
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".dat": "csv",
    ".data": "csv",
    ".tab": "csv",
    ".asc": "csv",
    ".ecsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".nc": "netcdf",
    ".nc4": "netcdf",
    ".netcdf": "netcdf",
    ".h5": "netcdf",
    ".hdf5": "netcdf",
    ".he5": "netcdf",
    ".zarr": "zarr",
    ".npz": "numpy",
    ".npy": "numpy",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".ods": "excel",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".dta": "stata",
    ".sas7bdat": "sas",
    ".xpt": "sas",
    ".mat": "matlab",
    ".orc": "orc",
    ".zip": "zip",
}
#: Key of the metadata of a Parquet file whose names are not to be taken apart into name and unit.
PLAIN_NAMES = b"workbench_names"
#: Key of its metadata with sentences on what was assumed when the table was first read.
NOTES = b"workbench_notes"
#: Rows of a frame whose texts are searched for decimal points and commas.
_ROWS_OF_MARKS = 10_000
_HANDLED = (
    ValueError,
    OSError,
    RuntimeError,
    KeyError,
    TypeError,
    EOFError,
    AttributeError,
    NotImplementedError,
    IndexError,
    zipfile.BadZipFile,
)


def read_table(source: Any, columns: Iterable[str] = (), *, group_path: str = "", rows: str = "") -> RawTable:
    """Read a table from a path or from an object of Python.

    Parameters
    ----------
    source : a path (``file.nc#group`` is a group of the file), a pandas or polars DataFrame, a pyarrow Table
        or an xarray Dataset.
    columns : names of the columns to read (all when empty). A heading such as ``height [m]`` is the column
        ``height`` in the unit m.
    group_path : group of a NetCDF, HDF5 or Zarr file, or sheet of an Excel file.
    rows : dimensions of a Dataset that its rows run over, separated by commas; found by itself when empty.

    Raises `DataError` for anything that cannot be read as it is.
    """
    columns = [str(column) for column in columns]
    if isinstance(source, (str, Path)):
        path, group = split_path(source, group_path)
        return _read_file(path, columns, group, rows)
    if is_instance(source, "polars", "LazyFrame"):
        source = source.collect()
    if is_instance(source, "polars", "DataFrame"):
        source = source.to_arrow()
    if is_instance(source, "pyarrow", "Table"):
        return _from_arrow(source, columns)
    if is_instance(source, "astropy", "Table"):
        units = {n: str(source[n].unit) for n in source.colnames if getattr(source[n], "unit", None)}
        raw = from_frame(source.to_pandas(), columns)
        raw.units.update({n: u for n, u in units.items() if n in raw.frame})
        return raw
    if is_instance(source, "pandas", "DataFrame"):
        return from_frame(source, columns)
    if is_instance(source, "xarray", "DataTree"):
        source = source.to_dataset()
    if is_instance(source, "xarray", "Dataset"):
        return array_tables.from_dataset(source, columns, rows)
    raise DataError(
        "The table is of a kind that cannot be read",
        found=type(source).__name__,
        expected="a path, a pandas or polars DataFrame, a pyarrow Table or an xarray Dataset",
        suggestion=_remedy(source),
    )


def _remedy(source: Any) -> str:
    """Return how an object of Python becomes a table, where it can."""
    if is_instance(source, "pandas", "Series"):
        return "give series.to_frame(), with the index as a column by series.reset_index()"
    if is_instance(source, "xarray", "DataArray"):
        return "give array.to_dataset(name=…), or array.to_dataset(dim=…) where a dimension holds the columns"
    if isinstance(source, (dict, list, tuple)) or hasattr(source, "__array__"):
        return "give pandas.DataFrame(data), with columns=[…] where the data has no names"
    return ""


def is_instance(value: Any, package: str, name: str) -> bool:
    """True if ``value`` is an instance of the class ``name`` of a package; does not import the package."""
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__
    )


def split_path(source: str | Path, group_path: str = "") -> tuple[Path, str]:
    """Return the path of a file, with ``~`` as the home folder, and the group that follows a ``#``.

    Raises `DataError` for a text that no file can have as its path, such as one with a NUL.
    """
    try:
        path = Path(source).expanduser()
        if b"\0" in os.fsencode(path):
            raise ValueError("a NUL in it")
    except (ValueError, RuntimeError) as error:  # letters without an encoding; a user who is unknown
        raise DataError(
            "The table has no usable path",
            expected="the path of a file",
            found=f"{str(source)[:80]!r} ({error})",
        ) from error
    file, mark, group = str(path).rpartition("#")
    if mark and not group_path and not path.exists() and Path(file).exists():
        return Path(file), group
    return path, group_path


def kind_of(path: Path) -> str | None:
    """Return the kind of table that a path's ending, or a folder's content, stands for; None if unknown."""
    suffix = path.suffix.lower()
    if suffix in text_tables.COMPRESSIONS:
        inner = SUFFIXES.get(path.with_suffix("").suffix.lower())
        return "csv" if inner == "csv" else None
    if path.is_dir() and suffix not in SUFFIXES:
        if any((path / name).is_file() for name in (".zgroup", ".zmetadata", "zarr.json")):
            return "zarr"
        return "parquet" if _holds_parts(path) else None
    return SUFFIXES.get(suffix)


def _holds_parts(folder: Path) -> bool:
    """Return True for a folder of Parquet parts alone, and of files whose names begin with _ or a dot."""
    has_parts = False
    for part in folder.rglob("*"):
        if part.is_dir() and not part.is_symlink() or part.name.startswith(("_", ".")):
            continue
        if part.suffix.lower() not in (".parquet", ".pq"):
            return False
        has_parts = True
    return has_parts


def _read_file(path: Path, columns: list[str], group: str, rows: str) -> RawTable:
    kind = kind_of(path)
    refuse_foreign(path, kind, [*SUFFIXES, *(f".csv{s}" for s in text_tables.COMPRESSIONS)])
    inside = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    check_size(sum(p.stat().st_size for p in inside), f"The table '{path.name}'")
    readers: dict[str, Callable[[], RawTable]] = {
        "csv": lambda: text_tables.read_text(path, columns),
        "parquet": lambda: _read_parquet(path, columns),
        "feather": lambda: _read_feather(path, columns),
        "netcdf": lambda: array_tables.read_netcdf(path, columns, group, rows),
        "zarr": lambda: array_tables.read_zarr(path, columns, group, rows),
        "numpy": lambda: array_tables.read_numpy(path, columns),
        "matlab": lambda: array_tables.read_matlab(path, columns, group),
        "excel": lambda: program_files.read_excel(path, columns, group, from_frame),
        "json": lambda: from_frame(program_files.read_json(path), columns),
        "stata": lambda: program_files.read_stata(path, columns, from_frame),
        "sas": lambda: from_frame(program_files.read_sas(path), columns),
        "orc": lambda: _from_arrow(program_files.read_orc(path), columns),
        "zip": lambda: program_files.read_zip(path, group, lambda part: _read_file(part, columns, "", rows)),
    }
    try:
        return readers[str(kind)]()
    except DataError:
        raise
    except _HANDLED as error:
        raise DataError(
            f"The table '{path.name}' could not be read",
            expected=f"a sound {kind} file",
            found=f"{type(error).__name__}: {str(error)[:200]}",
        ) from error


def _read_parquet(path: Path, columns: list[str]) -> RawTable:
    """Read a Parquet file, or a folder of parts with the columns that its subfolders name."""
    import pyarrow.dataset

    refuse_links(path)
    data = pyarrow.dataset.dataset(str(path), format="parquet", partitioning="hive")
    plain = PLAIN_NAMES in (data.schema.metadata or {})
    positions, _ = choose(data.schema.names, columns, plain=plain)
    check_size(8 * data.count_rows() * len(positions), f"The table '{path.name}'")
    names = [data.schema.names[i] for i in positions]
    return _from_arrow(data.to_table(columns=names), columns, plain=plain)


def _read_feather(path: Path, columns: list[str]) -> RawTable:
    from pyarrow import feather

    return _from_arrow(feather.read_table(path), columns)


def _from_arrow(table: pyarrow.Table, columns: list[str], *, plain: bool = False) -> RawTable:
    """Return the ``columns`` of a pyarrow Table; its fields may state units, long_name and labels."""
    positions, names = choose(table.schema.names, columns, plain=plain)
    check_size(8 * table.num_rows * len(positions), "The table")
    table = table.select(positions)
    raw = named(table.to_pandas(ignore_metadata=True, date_as_object=False), names)
    for i, name in enumerate(raw.frame.columns):
        attributes: dict[str, Any] = {
            k.decode(): v.decode() for k, v in (table.schema.field(i).metadata or {}).items()
        }
        for key in {"labels", "coordinates"} & set(attributes):
            attributes[key] = json.loads(attributes[key])
        add_attributes(raw, name, attributes)
    notes = json.loads((table.schema.metadata or {}).get(NOTES, b"[]"))
    return replace(raw, notes=tuple(map(str, notes)))


def from_frame(frame: pd.DataFrame, columns: list[str]) -> RawTable:
    """Return the ``columns`` of a frame as a table; raises `DataError` for columns that it lacks."""
    import pandas as pd

    if isinstance(frame.columns, pd.MultiIndex):
        heading = ["_".join(str(part) for part in name if str(part)) for name in frame.columns]
    else:
        heading = [str(c) for c in frame.columns]
    indices = {str(name) for name in frame.index.names if name is not None} - set(heading)
    if own := [name for name in columns if name in indices]:
        raise DataError(
            f"The table has no column '{own[0]}'",
            expected="a column",
            found="the index of the frame has that name",
            suggestion="give frame.reset_index(), in which the index is a column",
        )
    positions, names = choose(heading, columns)
    check_size(8 * len(frame) * len(positions), "The table")
    raw = named(frame.iloc[:, positions], names)
    texts = (frame.iloc[:_ROWS_OF_MARKS, i] for i, kind in enumerate(frame.dtypes) if _is_text(kind))
    marks = [certain_mark(text.astype("string").str.strip()) for text in texts]
    return RawTable(raw.frame, raw.units, raw.descriptions, raw.labels, raw.notes, Writing(together(marks)))


def _is_text(kind: Any) -> bool:
    return str(kind) in ("object", "str", "string", "string[pyarrow]", "string[python]")


def declared_columns(path: str | Path) -> dict[str, list[str]]:
    """Return the settings x_columns and y_columns that a Zarr dataset of simulations declares, or {}."""
    try:
        text = (Path(path).expanduser() / "zarr.json").read_text(encoding="utf-8")
        attributes = json.loads(text)["attributes"]
        columns = {f"{role}_columns": [str(name) for name in attributes[role]] for role in ("x", "y")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return columns if columns["x_columns"] else {}
