"""Values of variables by name: read from a mapping, a table, a Dataset or a labelled array.

Nothing of pandas, polars, PyArrow or xarray is imported: an object is recognised by its attributes, so that
whoever has such an object has its package, and nobody else needs it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench.core.argument_kinds import describe
from workbench.core.errors import SpecError, WorkbenchError, did_you_mean
from workbench.core.grids import at_coordinates, grid_parent
from workbench.core.kinds_of_values import allowed_values, calendar, converted
from workbench.core.lazy import torch
from workbench.core.names import ORIGINAL
from workbench.core.variable import Variable, named

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_HEADING = re.compile(r"^(?P<name>.+?)\s*\[(?P<unit>[^\[\]]*)\]$", re.DOTALL)
#: Dimension along which several observations stand, in Datasets that come in and go out.
OBSERVATION = "observation"


@dataclass(frozen=True)
class NamedValues:
    """Values by name, each an array of numbers whose dimensions are named where the source names them.

    ``dims`` holds the names of an array's dimensions, in order; those of a mapping or table have none.
    ``whole`` is true for a row of a table, which may have further columns, and false for a mapping, which may
    not. ``coords`` are the labels along named dimensions, for answers with the same ones. ``units`` are those
    that the source states, by name.
    """

    values: dict[str, Any]
    dims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    whole: bool = False
    coords: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


def named_values(source: Any, variables: Sequence[Variable]) -> NamedValues | None:
    """Return the values that ``source`` gives by name; None for numbers in the order of the variables.

    A heading with a unit, such as ``depth [m]``, is the name and states the unit.
    """
    values = _by_name(source, variables)
    if values is None:
        return None
    names, headings = {v.name for v in variables}, {}
    for key in values.values:
        match = _HEADING.match(key) if key not in names else None
        if match and match["name"] in names and match["name"] not in values.values:
            headings[key] = match["name"], match["unit"].strip()
    if not headings:
        return values
    own = {key: headings[key][0] if key in headings else key for key in values.values}
    return replace(
        values,
        values={own[key]: value for key, value in values.values.items()},
        dims={own.get(key, key): dims for key, dims in values.dims.items()},
        units=values.units | dict(headings.values()),
    )


def _by_name(source: Any, variables: Sequence[Variable]) -> NamedValues | None:
    names = [v.name for v in variables]
    if hasattr(source, "data_vars"):  # xarray.Dataset
        return _of_dataset({str(k): source[k] for k in source.variables}, names)
    if hasattr(source, "dims") and hasattr(source, "coords"):  # xarray.DataArray
        return _of_data_array(source, variables)
    if isinstance(source, Mapping):
        return NamedValues({str(k): v for k, v in source.items()})
    if hasattr(source, "_asdict"):  # a named tuple
        return NamedValues(dict(source._asdict()))
    if getattr(getattr(source, "dtype", None), "names", None):  # a structured array, or a row of one
        return NamedValues({k: source[k] for k in source.dtype.names}, whole=True)
    columns = getattr(source, "column_names", None) or getattr(source, "columns", None)
    if columns is not None and not callable(columns):  # a table of pandas, polars or PyArrow
        if set(names) - {str(c) for c in columns} == set(names) and not any(
            isinstance(c, str) for c in columns
        ):
            return None  # columns without names
        return NamedValues({str(c): _column(source[c]) for c in columns}, whole=True)
    index = getattr(source, "index", None)
    if index is not None and hasattr(source, "to_numpy") and not callable(index):  # pandas.Series
        return _of_series(source, variables)
    if isinstance(source, list | tuple) and source and not hasattr(source, "_asdict"):
        return _of_rows(source, variables)
    return None


def _of_rows(source: Sequence[Any], variables: Sequence[Variable]) -> NamedValues | None:
    """Join rows that are given by name, such as mappings or Series; None unless all of them are."""
    if not all(
        isinstance(row, Mapping) or hasattr(row, "index") and hasattr(row, "to_numpy") for row in source
    ):
        return None
    rows = [_by_name(row, variables) for row in source]
    parts = [row for row in rows if row is not None]
    if len(parts) < len(rows):
        return None
    keys = dict.fromkeys(key for row in parts for key in row.values)
    table = {key: [row.values.get(key, float("nan")) for row in parts] for key in keys}
    return NamedValues(table, whole=all(row.whole for row in parts))


def _column(column: Any) -> Any:
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _of_dataset(arrays: dict[str, Any], names: Iterable[str]) -> NamedValues:
    arrays = {str(v.attrs.get(ORIGINAL, k)): v for k, v in arrays.items()}
    arrays = {k: v for k, v in arrays.items() if k in names or v.dims not in ((), (k,))}
    dims = {k: tuple(map(str, v.dims)) for k, v in arrays.items()}
    coords = {str(d): v.coords[d].values for v in arrays.values() for d in v.dims if d in v.coords}
    units = {k: v.attrs["units"] for k, v in arrays.items() if isinstance(v.attrs.get("units"), str)}
    return NamedValues({k: v.values for k, v in arrays.items()}, dims, whole=True, coords=coords, units=units)


def _of_data_array(source: Any, variables: Sequence[Variable]) -> NamedValues | None:
    """Split an array along the dimension whose labels are the variables' names, or take it on a grid."""
    names = [v.name for v in variables]
    for axis, dim in enumerate(source.dims):
        labels = [str(v) for v in source.coords[dim].values] if dim in source.coords else []
        if names and set(names) & set(labels):
            import numpy as np

            values = dict(zip(labels, np.moveaxis(source.values, axis, 0), strict=True))
            rest = tuple(str(d) for d in source.dims if d != dim)
            coords = {d: source.coords[d].values for d in rest if d in source.coords}
            return NamedValues(values, dict.fromkeys(labels, rest), whole=True, coords=coords)
    if source.name is not None and str(source.name) in names:
        return _of_dataset({str(source.name): source}, names)
    parent = grid_parent(variables)
    if parent is not None and set(parent[1]) <= set(map(str, source.dims)):
        return _of_dataset({parent[0]: source}, names)
    return None


def _of_series(source: Any, variables: Sequence[Variable]) -> NamedValues | None:
    names, parent = [v.name for v in variables], grid_parent(variables)
    labels = [str(label) for label in source.index]
    if set(names) & set(labels) or (labels and all(isinstance(label, str) for label in source.index)):
        return NamedValues(dict(zip(labels, source.to_numpy(), strict=True)), whole=True)
    if [str(source.name)] == names:  # a column
        return NamedValues({names[0]: source.to_numpy()}, whole=True)
    if parent is not None and len(parent[1]) == 1 and list(source.index) != list(range(len(source))):
        name, dims = parent
        return NamedValues({name: source.to_numpy()}, {name: dims}, True, {dims[0]: source.index})
    return None


def stacked(
    source: NamedValues,
    variables: Sequence[Variable],
    *,
    subject: str = "The observation",
    error: type[WorkbenchError] = SpecError,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the values of the variables as float64 (…, M), in their order, and the names of dimensions "…".

    A value without dimensions belongs to every row. A variable ``profile`` with several numbers gives those
    of the variables ``profile_0``, ``profile_1``, …, in any shape. Dimensions without a name are "".
    Raises ``error`` for a missing or unknown name and for values that are no numbers or do not fit together.
    """
    import numpy as np

    arrays, dims = _numbers(source, variables, subject, error)
    _check_names(source, arrays, variables, subject, error)
    parts = [arrays[v.name] for v in variables]
    order = tuple(dict.fromkeys(d for v in variables for d in dims[v.name]))
    if order and all(order):  # by the names of the dimensions
        parts = [_aligned(part, dims[v.name], order) for part, v in zip(parts, variables, strict=True)]
    try:
        values = np.stack(np.broadcast_arrays(*parts), axis=-1).astype(np.float64)
    except ValueError as cause:
        sizes = ", ".join(f"{v.name} {p.shape}" for v, p in list(zip(variables, parts, strict=True))[:6])
        raise error(f"{subject} has columns of different lengths", found=sizes) from cause
    return values, order if order and all(order) else ("",) * (values.ndim - 1)


def _aligned(values: np.ndarray, dims: tuple[str, ...], order: tuple[str, ...]) -> np.ndarray:
    """Transpose values to the order of dimensions, with length 1 along those that they lack."""
    present = [d for d in order if d in dims]
    values = values.transpose([dims.index(d) for d in present])
    sizes = dict(zip(present, values.shape, strict=True))
    return values.reshape([sizes.get(d, 1) for d in order])


def _numbers(
    source: NamedValues, variables: Sequence[Variable], subject: str, error: type[WorkbenchError]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """Return arrays and names of their dimensions by variable; of several numbers under one name, each."""
    arrays, dims = {}, {}
    targets = {v.name: v for v in variables}
    for name, value in source.values.items():
        own = source.dims.get(name)
        if name in targets:
            _check_unit(source.units.get(name, ""), targets[name], subject, error)
            array = converted(value, targets[name], subject, error)
            array = number_array(value) if array is None else array
            if array is None:
                raise error(
                    f"{subject} has a value for '{name}' that cannot be read",
                    expected=f"{allowed_values(targets[name])} for '{name}'",
                    found=f"{name} = {value!r}"[:80],
                )
            arrays[name], dims[name] = array, own or ("",) * array.ndim
            continue
        numbers = _numbers_of(name, targets)
        if numbers and not (source.whole and all(f"{name}_{i}" in source.values for i in numbers)):
            parts = _on_grid(source, name, numbers, targets, subject, error)
            if parts is None:
                parts = _parts(name, value, own, numbers, source.whole, subject, error)
            arrays |= {key: part for key, (part, _) in parts.items()}
            dims |= {key: rest for key, (_, rest) in parts.items()}
    return arrays, dims


def _check_unit(unit: str, variable: Variable, subject: str, error: type[WorkbenchError]) -> None:
    """Raise ``error`` where a source states another unit than the variable's."""
    if unit.strip() in ("", "1", variable.unit.strip()) or not variable.unit:
        return
    clock = calendar(replace(variable, unit=unit))
    if clock is not None and clock == calendar(variable):  # with and without the time zone, UTC
        return
    raise error(
        f"{subject} has '{variable.name}' in another unit",
        expected=variable.unit,
        found=unit,
        suggestion=f"convert it; where {unit} means {variable.unit}, leave the unit out",
    )


def _numbers_of(name: str, targets: Iterable[str]) -> list[int]:
    """Return the numbers i of the variables ``name_i``, in ascending order."""
    ends = (n[len(name) + 1 :] for n in targets if n.startswith(f"{name}_"))
    return sorted(int(end) for end in ends if end.isdecimal() and end == str(int(end)))


def _on_grid(
    source: NamedValues,
    name: str,
    numbers: list[int],
    targets: Mapping[str, Variable],
    subject: str,
    error: type[WorkbenchError],
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]] | None:
    """Return the parts of an array by the coordinates of its variables; None where it or they have none."""
    array, variables = number_array(source.values[name]), [targets[f"{name}_{i}"] for i in numbers]
    if array is None:
        return None
    answer = at_coordinates(array, source.dims.get(name, ()), source.coords, variables, subject, error)
    if answer is None:
        return None
    return {v.name: (part, answer[1]) for v, part in zip(variables, answer[0], strict=True)}


def _parts(
    name: str,
    value: Any,
    own: tuple[str, ...] | None,
    numbers: list[int],
    whole: bool,
    subject: str,
    error: type[WorkbenchError],
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Split an array over the variables ``name_0``, ``name_1``, … along its last axes, in C order.

    Return each part with the names of the dimensions before. Raises ``error`` unless the last axes together
    have one number a variable; of a table, or where numbers are left out, what does not fit is passed over.
    """
    array = number_array(value)
    if array is not None and own:  # observations stand first
        array = array.transpose(sorted(range(array.ndim), key=[d != OBSERVATION for d in own].__getitem__))
        own = tuple(sorted(own, key=lambda d: d != OBSERVATION))
    count = numbers[-1] + 1
    gaps = len(numbers) < count  # some of them are no variables: the whole may be longer
    shape = array.shape if array is not None else ()
    sizes = [math.prod(shape[len(shape) - k :]) for k in range(len(shape) + 1)]
    axes = next((k for k in (*range(1, len(sizes)), 0) if sizes[k] == count), None)
    if axes is None and gaps:
        axes = next((k for k in range(1, len(sizes)) if sizes[k] > count), None)
    if array is None or axes is None:
        if whole or gaps:
            return {}
        raise error(
            f"{subject} does not fit '{name}'",
            expected=f"{count} numbers, in any shape, for '{name}_0' to '{name}_{count - 1}'",
            found=f"shape {shape}" if array is not None else f"{name} = {value!r}"[:80],
        )
    before = len(shape) - axes
    array = array.reshape(*shape[:before], -1)
    rest = own[:before] if own else ("",) * before
    return {f"{name}_{i}": (array[..., i], rest) for i in numbers}


def _check_names(
    source: NamedValues,
    arrays: dict[str, Any],
    variables: Sequence[Variable],
    subject: str,
    error: type[WorkbenchError],
) -> None:
    """Raise ``error`` for a variable without a value, and for a name in a mapping that no variable has."""
    missing = [v.name for v in variables if v.name not in arrays]
    names = {v.name for v in variables}
    parts = {n.rpartition("_")[0] for n in set(arrays) - set(source.values)}
    strangers = [] if source.whole else [n for n in source.values if n not in names and n not in parts]
    if missing:
        labels = list(source.values)
        close = (did_you_mean(label, missing[:1]) for label in labels if label not in names)
        raise error(
            f"{subject} has no value for '{missing[0]}'",
            expected=f"{len(variables)} {'value' if len(variables) == 1 else 'values'} ({named(variables)})",
            found=", ".join(labels[:6]) + (", …" if len(labels) > 6 else "") or "nothing",
            suggestion=next(filter(None, close), ""),
        )
    if strangers:
        raise error(
            f"{subject} has a value for '{strangers[0]}', which is none of its variables",
            expected=named(variables),
            found=", ".join(strangers[:6]),
            suggestion=did_you_mean(strangers[0], names) or "leave it out",
        )


def as_tensor(values: Any, noun: str, form: str) -> Tensor:
    """Convert values to a tensor, in double precision where they are none yet.

    Raises `SpecError` with the ``noun``, and with ``form`` as what is expected, for values without numbers.
    """
    if isinstance(values, torch.Tensor) and not values.is_complex():
        return values
    array = number_array(values)
    if array is None:
        raise SpecError(f"The {noun} is not made of numbers", expected=form, found=describe(values))
    return torch.tensor(array)


def number_array(values: Any) -> np.ndarray | None:
    """Convert a number, or an array or tensor of numbers, to float64; None where an entry is no number."""
    import numpy as np

    if values is None:
        return None
    if hasattr(values, "detach"):  # a tensor, perhaps on another device or part of a graph
        if values.is_complex():
            return None
        values = values.detach().cpu().double().numpy()
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "biuf":
        return np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values)
        if array.size and array.dtype.kind not in "biufO":
            return None
        return array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
