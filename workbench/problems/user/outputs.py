"""Numbers that a user's function returns, of whatever kind, as rows of named columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError, SpecError, unknown
from workbench.core.variable import Variable

if TYPE_CHECKING:
    from torch import Tensor

#: Columns of one output: its name ("" where it has none) and its number of columns, 0 for a single number.
Layout = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Rows:
    """Numbers (n, k), float64, that a function returned, with the names and widths of its outputs."""

    values: np.ndarray
    layout: Layout

    @property
    def named(self) -> bool:
        """True for outputs that a function returned by name."""
        return bool(self.layout) and self.layout[0][0] != ""


def rows_of(result: Any, n: int, source: str) -> Rows:
    """Return what a function returned for ``n`` parameter sets as rows.

    Parameters
    ----------
    result : an array, tensor, list or table with n rows, each of any fixed shape, or a mapping of such by
        name.
    source : "prior" or "simulator", for the error message.

    Raises `DataError` for anything else.
    """
    outputs = _outputs(result)
    _refuse_sorted(outputs, n, source)
    parts = [(name, _array(value, source, name)) for name, value in outputs]
    for name, part in parts:
        if part.ndim == 0 or len(part) != n:
            raise DataError(
                f"The {source} returned a wrong shape",
                expected=f"{n} rows, one for each parameter set, such as shape ({n}, 1)",
                found=f"shape {part.shape}" + (f" of '{name}'" if name else ""),
                suggestion=_shape_hint(part, n, source),
            )
    return _joined(parts, n)


def _refuse_sorted(outputs: list[tuple[str, Any]], n: int, source: str) -> None:
    """Raise `DataError` for tables and Series whose index says that their n rows are in another order."""
    for name, value in outputs:
        index = getattr(value, "index", None)
        if (
            not hasattr(index, "get_indexer")
            or len(index) != n
            or getattr(index, "dtype", "O").kind not in "iu"
        ):
            continue
        numbers = np.asarray(index)
        if (numbers == np.arange(n)).all() or not np.array_equal(np.sort(numbers), np.arange(n)):
            continue
        row = int((numbers != np.arange(n)).argmax())
        raise DataError(
            f"The {source} returned rows in another order than their index says",
            expected=f"the result of parameter set i in row i, with the index 0 to {n - 1}",
            found=f"index {numbers[row]} in row {row}" + (f" of '{name}'" if name else ""),
            suggestion="return table.sort_index(), or table.to_numpy() where the index means nothing",
        )


def row_of(result: Any) -> tuple[np.ndarray, Layout]:
    """Return what a function returned for one parameter set as numbers (k,), and the layout of the columns.

    It may be a number, an array of any shape, or a mapping of such by name. Raises `DataError` for others.
    """
    parts = [(name, _array(value, "simulator", name)[None]) for name, value in _outputs(result)]
    rows = _joined(parts, 1)
    return rows.values[0], rows.layout


def _shape_hint(part: np.ndarray, n: int, source: str) -> str:
    if part.ndim >= 2 and part.shape[-1] == n:
        return "rows are parameter sets: return the transpose"
    if source == "simulator":
        return "if the function takes one parameter set at a time, say vectorised=False"
    return "draw n parameter sets, one a row"


def _outputs(result: Any) -> list[tuple[str, Any]]:
    """Return the outputs with their names; a single one without a name has the name ""."""
    if isinstance(result, Mapping) or hasattr(result, "data_vars"):
        return [(str(name), result[name]) for name in result]
    columns = getattr(result, "columns", None)
    if columns is not None and not callable(columns) and not hasattr(result, "detach"):
        if all(isinstance(column, str) for column in columns):  # a table of pandas or polars
            return [(column, result[column]) for column in columns]
    return [("", result)]


def _array(value: Any, source: str, name: str = "") -> np.ndarray:
    """Return numbers of any kind as float64; raises `DataError` for others."""
    allowed_kinds = "numbers: an array, a tensor, a list, or a dictionary of them by name"
    where = f" in '{name}'" if name else ""
    type_name = type(value).__name__ + where
    if hasattr(value, "detach"):  # a tensor, perhaps on another device or part of a graph
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    elif isinstance(value, (list, tuple)):
        value = [v.detach().cpu().numpy() if hasattr(v, "detach") else v for v in value]
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and (array.size == 0 or any(v is None for v in array.flat)):
            raise TypeError
        if array.dtype.kind == "c":
            raise DataError(f"The {source} returned complex numbers", expected=allowed_kinds, found=type_name)
        if array.dtype.kind not in "biufO":
            raise TypeError
        return np.array(array, dtype=np.float64)  # a copy: the function may go on to change its own
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"The {source} returned something else than numbers",
            expected=allowed_kinds,
            found=f"{type_name}: {error}" if str(error) else type_name,
        ) from error


def _joined(parts: list[tuple[str, np.ndarray]], n: int) -> Rows:
    layout = tuple((name, math.prod(part.shape[1:]) if part.ndim > 1 else 0) for name, part in parts)
    columns = [part.reshape(n, -1) for _, part in parts]
    return Rows(np.concatenate(columns, axis=1) if columns else np.zeros((n, 0)), layout)


# ---- variables and columns
def column_names(layout: Layout, prefix: str) -> list[str]:
    """Return one name a column: ``profile_0``, ``profile_1``, … for an output ``profile`` of several.

    ``prefix`` names an output without a name.
    """
    names = []
    for name, width in layout:
        base = name or prefix
        names += [f"{base}_{i}" for i in range(width)] if width != 1 and width else [base]
    return names


def described(values: Any, role: str, layout: Layout | None) -> tuple[Variable, ...]:
    """Return the variables of x or y (``role``) that ``values``, variables or names, and an output describe.

    Without ``values`` the output's names are taken. A variable or name of an output with several columns
    stands for all of them. Raises `SpecError` for values of another kind, or none where they are needed.
    """
    if isinstance(values, (Variable, str)):
        raise _undescribed(role, repr(values)[:60])
    try:
        entries = list(values)
    except TypeError:
        raise _undescribed(role, repr(values)[:60]) from None
    wrong = [v for v in entries if not isinstance(v, (Variable, str))]
    if wrong:
        raise SpecError(
            f"The simulator's {role} is not described",
            expected="a list of variables or names",
            found=repr(wrong[0])[:60],
        )
    if not entries:
        if layout is None:
            raise _undescribed(role, "none")
        entries = list(column_names(layout, role))
    widths = {name: width for name, width in layout or () if width > 1}
    variables: list[Variable] = []
    for entry in entries:
        variable = Variable(entry) if isinstance(entry, str) else entry
        count = widths.get(variable.name, 0)
        variables += [replace(variable, name=f"{variable.name}_{i}") for i in range(count)] or [variable]
    return tuple(variables)


def _undescribed(role: str, found: str) -> SpecError:
    return SpecError(
        f"The simulator's {role} is not described",
        expected="a list of variables, one a component",
        found=found,
        suggestion=f"write {role}=[Variable('first'), Variable('second')]",
    )


def distinct(variables: Sequence[Variable]) -> None:
    """Raise `SpecError` where two variables have the same name."""
    names = [v.name for v in variables]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SpecError("Two of the simulator's variables have the same name", found=repr(twice))


def select(rows: Rows, variables: Sequence[Variable], role: str, source: str) -> np.ndarray:
    """Return the columns of the variables (n, k): by name where the output has names, else in order.

    Raises `DataError` for a missing name or a wrong number of columns.
    """
    if rows.named:
        names = column_names(rows.layout, role)
        missing = [v.name for v in variables if v.name not in names]
        if missing:
            raise unknown("output", missing[0], names, DataError, owner=f"The {source}")
        return rows.values[:, [names.index(v.name) for v in variables]]
    n, count = rows.values.shape
    if count != len(variables):
        names = ", ".join(v.name for v in variables[:6]) + (", …" if len(variables) > 6 else "")
        raise DataError(
            f"The {source} returned a wrong shape",
            expected=f"shape ({n}, {len(variables)}), columns {names}",
            found=f"shape ({n}, {count})",
        )
    return rows.values


def checked(values: np.ndarray, variables: Sequence[Variable], source: str) -> Tensor:
    """Return columns (n, k) as a tensor; values of cyclic variables are brought into their period.

    Rows that are not finite are passed over. Raises `DataError` for values out of bounds, and for fractions
    where a variable is of whole numbers.
    """
    from workbench.core.lazy import torch

    values = np.array(values, dtype=np.float64)
    finite = np.isfinite(values).all(axis=1)
    for i, variable in enumerate(variables):
        column = values[finite, i]
        if not len(column):
            continue
        if variable.period:
            column = variable.low + np.mod(column - variable.low, variable.period)
            values[finite, i] = column
        whole = bool(variable.levels or variable.categories)
        if whole and (column != np.round(column)).any():
            raise DataError(
                f"The {source} returned fractions for '{variable.name}'",
                expected="whole numbers, which its levels or categories are",
                found=f"{column[column != np.round(column)][0]:g}",
            )
        low, high = variable.low, variable.high
        if variable.categories:
            low, high = 0.0, variable.categories - 1.0
        below = column <= 0 if variable.scale == "log" else column < low
        if (below | (column > high) | (column < low)).any():
            raise DataError(
                f"The {source} left the bounds of '{variable.name}'",
                expected=f"{'above ' if variable.scale == 'log' and low == 0 else ''}"
                f"{low:g} to {high:g} {variable.unit}".strip(),
                found=f"{column.min():g} to {column.max():g}",
            )
    return torch.from_numpy(values)


def refuse_constants(values: Tensor, variables: Sequence[Variable], source: str) -> None:
    """Raise `DataError` where a column of ``values`` (n, k) is constant, up to rounding."""
    from workbench.core.scale import column_std

    constant = [v.name for v, std in zip(variables, column_std(values).tolist(), strict=True) if std == 0]
    if constant:
        more = f" and {len(constant) - 5} more" if len(constant) > 5 else ""
        raise DataError(
            f"{source} is constant",
            expected="numbers that vary with the unknowns or with noise",
            found=", ".join(map(repr, constant[:5])) + more + f" in {len(values)} rows",
            suggestion="leave it out: a constant says nothing",
        )


def refuse_infinite(values: np.ndarray, variables: Sequence[Variable], source: str, place: str = "") -> None:
    """Raise `DataError` for values (n, k) that are not finite; ``place`` says where they lie."""
    for column, variable in zip(values.T, variables, strict=True):
        wrong = int((~np.isfinite(column)).sum())
        if wrong:
            way = "say failed='drop' to leave such simulations out"
            raise DataError(
                f"The {source} returned values that are not finite",
                expected="finite numbers",
                found=f"{wrong} of {len(column)} in '{variable.name}'" + (f": {place}" if place else ""),
                suggestion=way if source == "simulator" else "",
            )
