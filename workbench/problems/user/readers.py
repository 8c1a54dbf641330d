"""Read tables from files without ever executing code that a file contains.

CSV through pandas, Parquet through pyarrow, NetCDF and Zarr through xarray, each imported when a file needs
it. Nothing is unpickled: the array codecs of Zarr are checked against a list before the store is opened, and
object arrays are refused.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import DataError, did_you_mean, unknown

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MAXIMUM_BYTES = 2 * 2**30
MAXIMUM_COLUMNS = 10_000
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".nc": "netcdf",
    ".nc4": "netcdf",
    ".netcdf": "netcdf",
    ".zarr": "zarr",
}
_SAFE_CODECS = {
    "adler32",
    "astype",
    "bitround",
    "blosc",
    "bytes",
    "bz2",
    "crc32",
    "crc32c",
    "default",
    "delta",
    "endian",
    "fixedscaleoffset",
    "fletcher32",
    "gzip",
    "lz4",
    "lzma",
    "packbits",
    "quantize",
    "regular",
    "sharding_indexed",
    "shuffle",
    "transpose",
    "vlen-utf8",
    "v2",
    "zlib",
    "zstd",
}
_UNIT = re.compile(r"^(?P<name>.+?)\s*\[(?P<unit>[^\[\]]*)\]$")


@dataclass(frozen=True)
class RawTable:
    """Columns as read from a source, with the units and descriptions that the source itself states."""

    frame: pd.DataFrame
    units: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)


def read_table(source: Any, columns: Iterable[str] = ()) -> RawTable:
    """Read a table from a path, a pandas DataFrame or an xarray Dataset.

    ``columns`` names the columns to read (all when empty). A heading such as ``height [m]`` is the column
    ``height`` in the unit m. Raises `DataError` for anything that cannot be read as it is.
    """
    columns = list(columns)
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), columns)
    if is_instance(source, "pandas", "DataFrame"):
        return _from_frame(source, columns)
    if is_instance(source, "xarray", "Dataset"):
        return _from_dataset(source, columns)
    raise DataError(
        "The table is of a kind that cannot be read",
        found=type(source).__name__,
        expected="a path, a pandas DataFrame or an xarray Dataset",
    )


def is_instance(value: Any, package: str, name: str) -> bool:
    """True if ``value`` is an instance of the class ``name`` of a package; does not import the package."""
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__
    )


def _read_file(path: Path, columns: list[str]) -> RawTable:
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise DataError(
            f"The table '{path.name}' has an unknown ending",
            expected=", ".join(SUFFIXES),
            found=path.suffix or "no ending",
            suggestion=did_you_mean(path.suffix, SUFFIXES),
        )
    if not (path.is_dir() if kind == "zarr" else path.is_file()):
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"The table '{path}' was not found",
            expected="a Zarr folder" if kind == "zarr" else "a file",
            found="a folder" if path.is_dir() else "nothing there" if not path.exists() else "a file",
            suggestion=did_you_mean(path.name, siblings),
        )
    size = (
        sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        if path.is_dir()
        else path.stat().st_size
    )
    _limit(size, f"The table '{path.name}'")
    readers = {"csv": _read_csv, "parquet": _read_parquet, "netcdf": _read_netcdf, "zarr": _read_zarr}
    try:
        return readers[kind](path, columns)
    except DataError:
        raise
    except (ValueError, OSError, RuntimeError, KeyError, TypeError, EOFError, AttributeError) as error:
        raise DataError(
            f"The table '{path.name}' could not be read",
            expected=f"a sound {kind} file",
            found=f"{type(error).__name__}: {str(error)[:200]}",
        ) from error


def _limit(size: int, noun: str) -> None:
    """Raise `DataError`, which names the ``noun``, if ``size`` in bytes is above `MAXIMUM_BYTES`."""
    if size > MAXIMUM_BYTES:
        raise DataError(
            f"{noun} is too large",
            expected=f"at most {MAXIMUM_BYTES / 2**30:g} GiB",
            found=f"{size / 2**30:.1f} GiB",
            suggestion="keep fewer rows or columns",
        )


def _read_csv(path: Path, columns: list[str]) -> RawTable:
    import pandas as pd

    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
    if not first.strip():
        raise DataError(
            f"The table '{path.name}' is empty", expected="a first line with the names of the columns"
        )
    separator = max(",;\t|", key=first.count)
    heading = [name.strip() for name in next(csv.reader([first], delimiter=separator))]
    if all(re.fullmatch(r"[-+\d.eE]+", name) for name in heading):
        raise DataError(
            f"The table '{path.name}' has no names of columns",
            found=f"a first line {first.strip()[:60]!r}",
            expected="a first line with the names of the columns",
        )
    positions, names = _choose(heading, columns)
    # by position: pandas renames columns of the same name, and with names it drops values of rows too long
    frame = pd.read_csv(
        path,
        sep=separator,
        header=None,
        skiprows=1,
        encoding="utf-8-sig",
        skipinitialspace=True,
        low_memory=False,
    )
    if frame.shape[1] != len(heading):
        raise DataError(
            f"The rows of '{path.name}' do not fit its first line",
            expected=f"{len(heading)} values a row",
            found=f"{frame.shape[1]} in the first row",
        )
    return _named(frame[positions], names)


def _read_parquet(path: Path, columns: list[str]) -> RawTable:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        positions, names = _choose(schema.names, columns)
        _limit(8 * file.metadata.num_rows * len(positions), f"The table '{path.name}'")
        table = file.read(columns=[schema.names[i] for i in positions])
    raw = _named(table.to_pandas(ignore_metadata=True)[[schema.names[i] for i in positions]], names)
    for name, i in zip(raw.frame.columns, positions, strict=True):
        attributes = {k.decode(): v.decode() for k, v in (schema.field(i).metadata or {}).items()}
        _add_attributes(raw, name, attributes)
    return raw


def _add_attributes(raw: RawTable, name: str, attributes: Mapping[str, Any]) -> None:
    """Set the unit and description of the column ``name`` from its attributes units and long_name, if any."""
    for key, texts in (("units", raw.units), ("long_name", raw.descriptions)):
        if isinstance(attributes.get(key), str) and attributes[key].strip() not in ("", "1"):
            texts[name] = attributes[key].strip()


def _read_netcdf(path: Path, columns: list[str]) -> RawTable:
    import xarray

    with xarray.open_dataset(path) as dataset:
        return _from_dataset(dataset, columns)


def _read_zarr(path: Path, columns: list[str]) -> RawTable:
    _refuse_unknown_codecs(path)
    import xarray

    with xarray.open_zarr(path, chunks=None, consolidated=False) as dataset:
        return _from_dataset(dataset, columns)


def declared_columns(path: str | Path) -> dict[str, list[str]]:
    """Return the settings x_columns and y_columns that a Zarr dataset of simulations declares, or {}."""
    try:
        attributes = json.loads((Path(path) / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        columns = {f"{role}_columns": [str(name) for name in attributes[role]] for role in ("x", "y")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return columns if columns["x_columns"] else {}


def _refuse_unknown_codecs(path: Path) -> None:
    """Raise `DataError` for array codecs that are not listed as safe: some run code on reading (pickle)."""
    for part in path.rglob("*"):
        if part.is_symlink():
            raise DataError(f"The table '{path.name}' is refused", found=f"a link '{part.name}' inside it")
        if part.name in (".zarray", ".zmetadata", "zarr.json"):
            unsafe = sorted(_codecs(json.loads(part.read_text(encoding="utf-8"))) - _SAFE_CODECS)
            if unsafe:
                raise DataError(
                    f"The table '{path.name}' is refused",
                    expected="arrays of plain numbers or text",
                    found=f"the array codec '{unsafe[0]}', which is not known to be harmless",
                )


def _codecs(node: Any) -> set[str]:
    """Return the names of all codecs in Zarr metadata of version 2 (``id``) or 3 (``name``)."""
    if isinstance(node, list):
        return set().union(*(_codecs(v) for v in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    codecs = {str(node["id"]).lower()} if "id" in node else set()
    for key, value in node.items():
        if key in ("codecs", "index_codecs"):
            entries = value if isinstance(value, list) else [value]
            codecs |= {
                str(e.get("name", e.get("id", e)) if isinstance(e, dict) else e)
                .lower()
                .removeprefix("numcodecs.")
                for e in entries
            }
        if key not in ("attributes", "attrs") and not key.endswith(".zattrs"):
            codecs |= _codecs(value)
    return codecs


def _from_frame(frame: pd.DataFrame, columns: list[str]) -> RawTable:
    positions, names = _choose([str(c) for c in frame.columns], columns)
    _limit(8 * len(frame) * len(positions), "The table")
    return _named(frame.iloc[:, positions], names)


def _from_dataset(dataset: xr.Dataset, columns: list[str]) -> RawTable:
    """Return variables and coordinates as columns, broadcast to the dimensions of the largest and flattened.

    Those with other dimensions or dtype object are left out, or raise `DataError` if ``columns`` names them.
    """
    import pandas as pd

    everything = [str(n) for n in dataset.variables]
    positions, names = _choose(everything, columns)
    parts = [dataset.variables[everything[i]] for i in positions]
    widest = max(parts, key=lambda p: p.ndim)
    for name, part in zip(names, parts, strict=True):
        if part.dtype.kind == "O" and columns:
            raise DataError(
                f"The column '{name[0]}' is refused", expected="numbers", found="an array of objects"
            )
        if not set(part.dims) <= set(widest.dims) and columns:
            raise DataError(
                "The chosen variables do not share their dimensions",
                expected=f"dimensions {widest.dims}",
                found=f"'{name[0]}' with {part.dims}",
            )
    together = [
        (n, p)
        for n, p in zip(names, parts, strict=True)
        if set(p.dims) <= set(widest.dims) and p.dtype.kind != "O"
    ]
    _limit(8 * widest.size * len(together), "The table")
    shape = dict(zip(widest.dims, widest.shape, strict=True))
    grids = [p.set_dims(shape).transpose(*widest.dims) for _, p in together]
    raw = _named(
        pd.DataFrame({i: g.to_numpy().ravel() for i, g in enumerate(grids)}), [n for n, _ in together]
    )
    for name, (_, part) in zip(raw.frame.columns, together, strict=True):
        _add_attributes(raw, name, part.attrs)
    return raw


def _choose(heading: list[str], columns: list[str]) -> tuple[list[int], list[tuple[str, str]]]:
    """Return positions in ``heading`` and (name, unit) of the ``columns``, or of all if none is named.

    Raises `DataError` for names that are missing or ambiguous, and for a column named twice.
    """
    if len(heading) > MAXIMUM_COLUMNS:
        raise DataError(
            "The table has too many columns", expected=f"at most {MAXIMUM_COLUMNS}", found=str(len(heading))
        )
    duplicates = (
        sorted({name for name in heading if heading.count(name) > 1})
        if len(set(heading)) < len(heading)
        else []
    )
    clash = [
        name
        for name in duplicates
        if not columns or name in columns or any(_bare(name)[0] == column for column in columns)
    ]
    if clash:
        raise DataError(
            "Two columns of the table have the same name",
            found=", ".join(map(repr, clash[:5])),
            suggestion="rename one of them",
        )
    names = [_bare(name) for name in heading]
    bare = [n for n, _ in names]
    if len(set(bare)) < len(bare):
        names = [(name, "") for name in heading]  # 'a [m]' and 'a [s]' stay apart under their full headings
    if not columns:
        return list(range(len(heading))), names
    places = {name: i for i, name in enumerate(heading)} | {n: i for i, (n, _) in enumerate(names)}
    for name in columns:
        if name not in places:
            options = ", ".join(n for n, _ in names[:20]) + (", …" if len(names) > 20 else "")
            raise unknown("column", name, places, DataError, owner="The table", expected=options)
    positions = [places[name] for name in columns]
    if len(set(positions)) < len(positions):
        again = next(name for i, name in enumerate(columns) if positions[i] in positions[:i])
        raise DataError(f"The column '{again}' was chosen twice", expected="each column once")
    return positions, [names[i] for i in positions]


def _bare(heading: str) -> tuple[str, str]:
    """Return name and unit of a heading such as ``height [m]``; the unit is empty if none is given."""
    match = _UNIT.match(heading)
    return (match["name"], match["unit"].strip()) if match else (heading, "")


def _named(frame: pd.DataFrame, names: list[tuple[str, str]]) -> RawTable:
    """Return ``frame`` as a `RawTable` whose columns have the (name, unit) pairs ``names``."""
    frame = frame.set_axis([n for n, _ in names], axis=1).reset_index(drop=True)
    return RawTable(frame, {n: unit for n, unit in names if unit})
