"""Draws in any of the usual forms as columns, and the Dataset that a corner plot is drawn from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from workbench.core import highest_density_regions as regions
from workbench.core.errors import DataError, unknown

#: Dimensions along which draws lie, in Datasets of the workbench, of ArviZ and of others.
ALONG = ("chain", "draw", "sample", "samples")
#: Most variables that are plotted unless they are named.
MOST = 8
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Fraction of the draws outside the plotted range on either side, and room beside it as a fraction of it.
_TAIL, _ROOM = 0.001, 0.05
#: Draws of which quantiles are computed, at most.
_QUANTILE_DRAWS = 100_000


class Columns(dict[str, np.ndarray]):
    """Draws by the name of their variable, (n,) each, with the labels of the axes."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: dict[str, str] = {}

    def add(self, name: str, values: Any, symbol: str = "", unit: str = "") -> None:
        """Add draws (n, …) of a variable; one of several components becomes several columns.

        Raises `DataError` for values that are no numbers.
        """
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise DataError(
                "A corner plot needs numbers", expected=f"numbers for '{name}'", found=f"{array.dtype}",
                suggestion="name the variables that are numbers, variables=[…]",
            )  # fmt: skip
        if array.ndim < 1:
            raise DataError("A corner plot needs draws", expected=f"many values of '{name}'", found="one")
        for place in np.ndindex(array.shape[1:]):
            mark = f"[{', '.join(map(str, place))}]" if place else ""
            self[name + mark] = array[(slice(None), *place)].astype(np.float64)
            self.labels[name + mark] = (symbol or name) + mark + (f" [{unit}]" if unit else "")


def columns_of(draws: Any, names: Sequence[str] = (), only: Sequence[str] = ()) -> Columns:
    """Return draws as columns.

    Parameters
    ----------
    draws : an xarray.Dataset with a dimension draw or sample, and perhaps chain; a DataTree with a group
        posterior; a DataArray with such a dimension; a table of pandas or polars; a mapping from names to
        arrays (n, …); or an array or a tensor (n, d) of NumPy or torch.
    names : names of the d columns of an array.
    only : names of the variables to read, without components such as [0]; by default all.

    Raises `DataError` for other objects, draws at several observations, and no draws.
    """
    columns = Columns()
    every = list(_columns(draws, names))
    for part in [part for part in every if part[0] in only] or every:
        columns.add(*part)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or not next(iter(lengths)):
        raise DataError(
            "A corner plot needs draws",
            expected="the same number of draws of each variable",
            found=", ".join(f"{len(values)} of {name}" for name, values in columns.items()) or "none",
        )
    return columns


def _columns(draws: Any, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Iterate over name and values (n, …) of each variable, with symbol and unit where they are known."""
    if isinstance(draws, xr.DataTree):
        group = "posterior" if "posterior" in draws.children else next(iter(draws.children), "")
        draws = (draws[group] if group else draws).to_dataset()
    if isinstance(draws, xr.DataArray):
        yield from _of_array(draws, names)
    elif isinstance(draws, xr.Dataset):
        for name in draws.data_vars:
            values = draws[name]
            if set(values.dims) & set(ALONG) or len(values.dims) == 1:
                yield str(name), _first_along(values), *_symbol_and_unit(values)
    elif isinstance(draws, Mapping) or hasattr(draws, "columns"):
        keys = draws.keys() if isinstance(draws, Mapping) else draws.columns
        for key in keys:
            yield str(key), _numbers(draws[key])
    elif hasattr(draws, "__array__") or isinstance(draws, (list, tuple)):
        table = np.asarray(_numbers(draws))
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2:
            raise DataError(
                "A corner plot needs a table of draws", expected="shape (n, d)", found=str(table.shape)
            )
        names = _names(names, table.shape[1])
        yield from ((name, table[:, i]) for i, name in enumerate(names))
    else:
        raise DataError(
            "A corner plot needs draws",
            expected="a Dataset, DataArray, table, mapping, array or tensor, such as posterior.sample(5000)",
            found=type(draws).__name__,
        )


def _numbers(values: Any) -> np.ndarray:
    """Return the values of an array, a column of a table or a tensor, from any device."""
    for step in ("detach", "cpu"):
        values = getattr(values, step)() if hasattr(values, step) else values
    return np.asarray(values)


def _names(names: Sequence[str], count: int) -> Sequence[str]:
    names = list(names) or [f"x{i + 1}" for i in range(count)]
    if len(names) != count:
        raise DataError("There must be a name for each column", expected=str(count), found=", ".join(names))
    return names


def _of_array(draws: xr.DataArray, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    others = [d for d in draws.dims if d not in ALONG]
    if len(others) == len(draws.dims) > 1:  # no dimension is called as draws usually are: the first is
        others = others[1:]
    if len(others) != 1:
        name = str(draws.name or "x")
        yield name, _first_along(draws), *_symbol_and_unit(draws)
        return
    labels = draws[others[0]].values if others[0] in draws.coords and not names else names
    for i, name in enumerate(_names([str(n) for n in labels], draws.sizes[others[0]])):
        yield name, _first_along(draws.isel({others[0]: i}))


def _first_along(values: xr.DataArray) -> np.ndarray:
    """Return draws (n, …) with the dimensions of draws and chains joined in front."""
    if "observation" in values.dims:
        if values.sizes["observation"] > 1:
            raise DataError(
                "A corner plot shows the draws at one observation",
                expected="draws.isel(observation=0)",
                found=f"{values.sizes['observation']} observations",
            )
        values = values.isel(observation=0)
    along = [d for d in values.dims if d in ALONG] or list(values.dims[:1])
    rest = [d for d in values.dims if d not in along]
    array = values.transpose(*along, *rest).values
    return array.reshape(-1, *array.shape[len(along) :])


def _symbol_and_unit(values: xr.DataArray) -> tuple[str, str]:
    about = values.attrs
    return str(about.get("symbol") or about.get("long_name") or ""), str(about.get("units") or "")


def chosen(columns: Columns, variables: Sequence[str]) -> list[str]:
    """Return the names of the variables to plot, by default the first few.

    Raises `SpecError` for an unknown name, and warns where there are more variables than are plotted.
    """
    for name in variables:
        if name not in columns:
            raise unknown("variable", name, columns)
    if not variables and len(columns) > MOST:
        warnings.warn(
            f"The first {MOST} of {len(columns)} variables are plotted; choose others by variables=[…].",
            stacklevel=3,
        )
    return list(variables or list(columns)[:MOST])


def windows_of(distributions: Sequence[Columns], names: Sequence[str]) -> list[tuple[float, float]]:
    """Return the plotted range of each variable, which holds nearly all draws of all distributions."""
    windows = []
    for name in names:
        values = np.concatenate([columns[name] for columns in distributions])
        values = values[np.isfinite(values)]
        if not len(values):
            raise DataError("A corner plot needs finite draws", found=f"none of '{name}'")
        low, high = (float(v) for v in np.quantile(values, (_TAIL, 1 - _TAIL)))
        room = _ROOM * (high - low) or max(abs(high), 1.0) * 0.5
        windows.append((low - room, high + room))
    return windows


def corner_dataset(
    columns: Columns, names: Sequence[str], windows: Sequence[tuple[float, float]]
) -> xr.Dataset:
    """Return what a corner plot is drawn from: densities, outlines of regions, quantiles and some draws."""
    table = np.column_stack([columns[name] for name in names])
    table = table[np.isfinite(table).all(1)]
    pairs, singles = regions.bin_counts(table, windows)
    spread, total = regions.spreads(table, windows), len(table)
    widths = np.asarray([(high - low) / regions.FINE for low, high in windows])
    outlines = regions.outlines(pairs, total, spread) if len(names) > 1 else []
    quantiles = np.quantile(table[:_QUANTILE_DRAWS], LEVELS, axis=0).T
    return xr.Dataset(
        {
            "draw": (("kept", "variable"), table[:2000]),
            "quantile": (("variable", "level"), quantiles),
            "pair_density": (("pair", "row", "column"), regions.relative_density(pairs, total, spread)),
            "single_density": (
                ("shown", "bin"),
                regions.smooth(singles, total, spread) / (max(total, 1) * widths[:, None]),
            ),
            **{
                f"region_{round(100 * share)}": (
                    (f"region_{round(100 * share)}_point", "side"),
                    regions.in_corner([each[k] for each in outlines], len(names)),
                )
                for k, share in enumerate(regions.SHARES)
            },
        },
        coords={"variable": list(names), "level": list(LEVELS), "shown": list(names)},
        attrs={
            "total": total,
            "windows": [v for window in windows for v in window],
            "labels": [columns.labels[name] for name in names],
        },
    )
