"""Tables from labelled arrays: xarray Datasets, NetCDF, Zarr and HDF5 with their groups, and NumPy files.

Rows run over the dimensions that all chosen variables share; further dimensions become columns, so that
``profile`` (sample, z) gives ``profile_0``, ``profile_1``, … Where coordinates of such dimensions are chosen
too, as the latitude and longitude of a map, each point of the grid is a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError, did_you_mean, unknown
from workbench.core.grids import Coordinates, coordinate
from workbench.core.names import original_names
from workbench.problems.user import raw_table
from workbench.problems.user.raw_table import (
    RawTable,
    add_attributes,
    bare_name,
    check_size,
    choose,
    named,
    parent_name,
)
from workbench.problems.user.safety import refuse_hdf5_links, refuse_large_archive, refuse_unknown_codecs

if TYPE_CHECKING:
    import xarray as xr


def read_netcdf(path: Path, columns: list[str], group: str = "", rows: str = "") -> RawTable:
    """Read a NetCDF or HDF5 file, or one of its groups."""
    import xarray

    refuse_hdf5_links(path)
    hdf5 = path.suffix.lower() in (".h5", ".hdf5", ".he5")
    # HDF5 from elsewhere does not name its dimensions
    options: dict[str, Any] = {"engine": "h5netcdf", "phony_dims": "sort"} if hdf5 else {}
    return _read(
        path,
        columns,
        group,
        rows,
        lambda g: xarray.open_dataset(path, group=g or None, **options),
        lambda: xarray.open_groups(path, **options),
    )


def read_zarr(path: Path, columns: list[str], group: str = "", rows: str = "") -> RawTable:
    """Read a Zarr store, or one of its groups."""
    refuse_unknown_codecs(path)
    import xarray

    options: dict[str, Any] = {"chunks": None, "consolidated": False}
    return _read(
        path,
        columns,
        group,
        rows,
        lambda g: xarray.open_zarr(path, group=g or None, **options),
        lambda: xarray.open_groups(path, engine="zarr", **options),
    )


def _read(path: Path, columns: list[str], group: str, rows: str, opened: Any, groups: Any) -> RawTable:
    """Read the Dataset ``opened(group)``; without one, that of the only group with variables."""
    if not group:
        with opened("") as dataset:
            if dataset.variables:
                return from_dataset(dataset, columns, rows)
    full_groups = sorted(name.strip("/") for name, part in groups().items() if part.variables and name != "/")
    if not group and len(full_groups) == 1:
        group = full_groups[0]
    if group.strip("/") not in full_groups:
        raise DataError(
            f"The table '{path.name}' has no variables" + (f" in a group '{group}'" if group else ""),
            expected="one of its groups: " + ", ".join(full_groups[:12]) if full_groups else "variables",
            found=group or "none outside its groups",
            suggestion=did_you_mean(group, full_groups)
            or (f"write {path.name}#{full_groups[0]}" if full_groups else ""),
        )
    with opened(group.strip("/")) as dataset:
        return from_dataset(dataset, columns, rows)


def from_dataset(dataset: xr.Dataset, columns: list[str], rows: str = "") -> RawTable:
    """Return variables and coordinates of a Dataset as columns; ``rows`` names the dimensions of the rows.

    Without ``columns``, variables that do not have those dimensions or hold objects are left out; with them
    they raise `DataError`.
    """
    own = original_names({str(n): v.attrs for n, v in dataset.variables.items()})
    other_names = {name for key, name in own.items() if key != name}
    dataset, own = _with_fields(dataset, own)
    variables = {
        own[str(key)]: part
        for key, part in dataset.variables.items()
        if own[str(key)] != key or key not in other_names  # not the coordinate draw, but a column
    }
    parts_by_name = _asked(variables, columns)
    over = _row_dimensions(dataset, parts_by_name, bool(columns), rows)
    parts = {}
    for name, part in parts_by_name.items():
        if part.dtype.kind == "O" and not _holds_texts(part):
            if columns:
                raise DataError(
                    f"The column '{name}' is refused",
                    expected="numbers",
                    found="an array of objects, such as times of a calendar with 360 days",
                    suggestion="write times as numbers: days or seconds since a date",
                )
            continue
        fits = set(part.dims) >= set(over) or set(part.dims) <= set(over)
        if not fits or (not part.dims and not columns):
            if columns:
                raise DataError(
                    "The chosen variables do not share their dimensions",
                    expected=f"dimensions {tuple(over)}",
                    found=f"'{name}' with {part.dims}",
                )
            continue
        parts[name] = part
    return _columns(dataset, parts, over, columns, _grid_note(parts, over, dataset, rows))


def _with_fields(dataset: xr.Dataset, own: dict[str, str]) -> tuple[xr.Dataset, dict[str, str]]:
    """Return a Dataset in which the fields of records, as tables in HDF5 have them, are variables."""
    records = [str(n) for n, v in dataset.variables.items() if v.dtype.names and n not in dataset.dims]
    for name in records:
        part = dataset[name].variable
        fields = {f: part.to_numpy()[f] for f in part.dtype.names}
        single = {f: v for f, v in fields.items() if v.ndim == part.ndim and f not in dataset.variables}
        dataset = dataset.drop_vars(name).assign({f: (part.dims, v) for f, v in single.items()})
        own = {n: o for n, o in own.items() if n != name} | {f: f for f in single}
    return dataset, own


def _asked(variables: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """Return the variables that hold the ``columns``, or all; raises `DataError` for an unknown name."""
    if not columns:
        return variables
    bare = {bare_name(name)[0]: name for name in variables}
    parts_by_name = {}
    for column in columns:
        names = [n for n in (column, parent_name(column)) if n in variables or n in bare]
        first_component = f"{column}_0"
        if not names and first_component not in variables:
            options = ", ".join(list(variables)[:20]) + (", …" if len(variables) > 20 else "")
            raise unknown("column", column, variables, DataError, owner="The table", expected=options)
        if not names:
            parts_by_name |= {n: v for n, v in variables.items() if parent_name(n) == column}
            continue
        name = names[0] if names[0] in variables else bare[names[0]]
        parts_by_name[name] = variables[name]
    return parts_by_name


def _row_dimensions(
    dataset: xr.Dataset, parts_by_name: dict[str, Any], strict: bool, rows: str
) -> tuple[str, ...]:
    """Return the dimensions that the rows run over."""
    sizes = {str(d): n for d, n in dataset.sizes.items()}
    if rows:
        over = tuple(part.strip() for part in rows.split(",") if part.strip())
        for dimension in over:
            if dimension not in sizes:
                raise unknown("dimension", dimension, sizes, DataError, owner="The table")
        return over
    parts = [part for part in parts_by_name.values() if part.dims]
    if not parts:
        return ()
    widest = max(parts, key=lambda part: part.ndim)
    quantities = [p for name, p in parts_by_name.items() if p.dims and p.dims != (name,)]
    common = [d for d in widest.dims if all(d in part.dims for part in quantities)]
    indices = {p.dims[0] for name, p in parts_by_name.items() if p.dims == (name,)}
    if strict and quantities and indices - set(common):
        return tuple(map(str, widest.dims))  # the points of a grid, with their coordinates
    if not quantities:
        return tuple(map(str, widest.dims))
    if not common and not strict:
        most = max((p.dims[0] for p in quantities), key=lambda d: sum(d in p.dims for p in quantities))
        return (str(most),)
    return tuple(map(str, common or widest.dims))


def _grid_note(
    parts: dict[str, Any], over: tuple[str, ...], dataset: xr.Dataset, rows: str
) -> tuple[str, ...]:
    """Return a sentence where rows run over several dimensions though no coordinate was chosen to say so."""
    if len(over) < 2 or rows or any(part.dims == (name,) for name, part in parts.items()):
        return ()
    count = " × ".join(f"{dataset.sizes[d]} {d}" for d in over)
    return (
        f"Each of the {count} points is a row: all chosen variables have the dimensions {', '.join(over)}. "
        f"Set row_dimension to '{over[0]}' where one {over[0]} is one row.",
    )


def _columns(
    dataset: xr.Dataset,
    parts: dict[str, Any],
    over: tuple[str, ...],
    columns: list[str],
    notes: tuple[str, ...],
) -> RawTable:
    """Return the variables ``parts`` as columns, one for each component beyond the dimensions ``over``."""
    import pandas as pd

    shape = {d: dataset.sizes[d] for d in over}
    count = math.prod(shape.values())
    widths = {
        n: math.prod(s for d, s in zip(p.dims, p.shape, strict=True) if d not in shape)
        for n, p in parts.items()
    }
    if sum(widths.values()) > raw_table.MAXIMUM_COLUMNS:
        widest = max(widths, key=lambda n: widths[n])
        raise DataError(
            "The table has too many columns",
            expected=f"at most {raw_table.MAXIMUM_COLUMNS}",
            found=f"{widths[widest]} numbers of '{widest}' for each of the rows over {', '.join(over)}",
            suggestion="name the columns to read, or the dimensions of the rows with row_dimension",
        )
    check_size(8 * count * sum(widths.values()), "The table")
    heading, arrays, owners, places = [], [], [], []
    for name, part in parts.items():
        inner = [d for d in part.dims if d not in shape]
        grid = part.set_dims({**shape, **{d: dataset.sizes[d] for d in inner}}).transpose(*over, *inner)
        table = grid.to_numpy().reshape(count, -1)
        for i in range(table.shape[1]):
            bare, unit = bare_name(name)
            suffix = f" [{unit}]" if unit else ""
            heading.append(f"{bare}_{i}{suffix}" if inner else name)
            arrays.append(table[:, i])
            owners.append(part)
            places.append(_coordinates(dataset, part, inner, i))
    positions, names = choose(heading, columns)
    raw = named(pd.DataFrame({i: arrays[p] for i, p in enumerate(positions)}), names)
    for name, position in zip(raw.frame.columns, positions, strict=True):
        add_attributes(raw, name, owners[position].attrs | {"coordinates": places[position]})
    return replace(raw, notes=notes)


def _coordinates(dataset: xr.Dataset, part: Any, inner: list[Any], number: int) -> Coordinates:
    """Return the place of one component of an array over the dimensions ``inner`` on its grid."""
    shape = [part.sizes[d] for d in inner]
    where = dict(zip(inner, np.unravel_index(number, shape), strict=True)) if inner else {}
    return tuple(
        (str(d), coordinate(dataset.indexes[d][i])) for d, i in where.items() if d in dataset.indexes
    )


def _holds_texts(part: Any) -> bool:
    """Return True for an array of Python texts."""
    return all(isinstance(value, str) for value in part.to_numpy().ravel()[:1000])


def read_numpy(path: Path, columns: list[str]) -> RawTable:
    """Read a .npy or .npz file; arrays of objects, which would run code, are refused by NumPy."""

    if path.suffix.lower() == ".npy":
        return from_arrays({"": np.load(path, allow_pickle=False)}, columns)
    refuse_large_archive(path)
    with np.load(path, allow_pickle=False) as archive:
        return from_arrays({name: archive[name] for name in archive.files}, columns)


def from_arrays(arrays: dict[str, np.ndarray], columns: Iterable[str]) -> RawTable:
    """Return arrays (n,) and (n, k), k columns ``name_0`` …, as a table; fields of a record are columns.

    Arrays of other lengths than most are left out, or raise `DataError` where ``columns`` names them.
    """
    import pandas as pd

    parts: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.dtype.names:
            parts |= {field: array[field].reshape(len(array), -1) for field in array.dtype.names}
        elif array.ndim:
            parts[name] = array.reshape(len(array), -1) if array.size else array.reshape(0, 1)
    if not parts:
        raise DataError(
            "The table is empty",
            expected="arrays of numbers, one number or more a row",
            found="no arrays" if not arrays else f"single numbers alone: {', '.join(arrays)[:80]}",
        )
    lengths = [len(part) for part in parts.values()]
    rows = max(lengths, key=lengths.count, default=0)
    flat = {}
    for name, part in parts.items():
        for i, column in enumerate(part.T):
            single = part.shape[1] == 1 and (name or len(parts) > 1)
            flat[name if single else f"{name}_{i}" if name else str(i)] = column
    positions, names = choose(list(flat), columns)
    table = {name[0]: list(flat.values())[p] for name, p in zip(names, positions, strict=True)}
    wrong = [name for name, column in table.items() if len(column) != rows]
    if wrong and list(columns):
        raise DataError(
            "The chosen arrays are not of one length",
            expected=f"{rows} rows",
            found=f"{len(table[wrong[0]])} in '{wrong[0]}'",
        )
    columns_left = [(n, u) for n, u in names if n not in wrong]
    return named(pd.DataFrame({n: np.asarray(table[n]) for n, _ in columns_left}), columns_left)


def read_matlab(path: Path, columns: list[str], struct: str = "") -> RawTable:
    """Read the arrays of a MATLAB file; ``struct`` names one whose fields are the columns.

    Fields of the only variable are columns without its name, others are ``struct.field``.
    """
    import h5py

    if h5py.is_hdf5(path):
        refuse_hdf5_links(path)
        with h5py.File(path, "r") as file:
            arrays = _matlab_arrays({name: file[name] for name in file if not name.startswith("#")})
    else:
        from scipy.io import loadmat

        check_size(path.stat().st_size, f"The table '{path.name}'")
        content = loadmat(path)
        arrays = _matlab_arrays({name: v for name, v in content.items() if not name.startswith("__")})
    owners = {name.rpartition(".")[0] for name in arrays}
    prefix = struct or (next(iter(owners)) if len(owners) == 1 else "")
    own = {name.removeprefix(f"{prefix}."): v for name, v in arrays.items() if name.startswith(f"{prefix}.")}
    if struct and not own:
        raise unknown("struct", struct, sorted(owners - {""}), DataError, owner=f"The table '{path.name}'")
    if not arrays:
        raise DataError(
            f"The table '{path.name}' holds no arrays of numbers or texts",
            expected="vectors and matrices",
            suggestion="write a table of MATLAB with writetable(T, 'table.csv')",
        )
    return from_arrays(own or arrays, columns)


def _matlab_arrays(content: dict[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of numbers and texts by name, those of structs as ``struct.field``; rows first."""
    import h5py

    arrays: dict[str, np.ndarray] = {}
    for name, value in content.items():
        if isinstance(value, h5py.Group):
            arrays |= _matlab_arrays(dict(value), f"{prefix}{name}.")
            continue
        if isinstance(value, h5py.Dataset):
            if value.dtype.kind not in "fiub" or value.attrs.get("MATLAB_empty", 0):
                continue
            # MATLAB stores by columns: HDF5 has the dimensions in the other order
            array, is_text = value[()].T, value.attrs.get("MATLAB_class") == b"char"
        else:
            array, is_text = np.asarray(value), False
        if array.dtype.names and array.size == 1:
            arrays |= _matlab_arrays({f: array[f].item() for f in array.dtype.names}, f"{prefix}{name}.")
        elif array.dtype.kind in "fiubUc" and not is_text and array.ndim <= 2:
            arrays[prefix + name] = array.reshape(-1) if 1 in array.shape else array
    return arrays
