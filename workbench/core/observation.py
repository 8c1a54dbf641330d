"""Check the values of one observation or of many, or of any other rows of variables.

Every entry point (Python calls, command line, address of a page, files) passes its input to `checked_values`
or `checked_rows` and gets floats back, or an error that names the variables and the first invalid value.
Values are given in the order of the variables (a sequence, array or tensor), or by name in any order (a
mapping, a Series, a table, a Dataset, a DataArray with names along one dimension).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.kinds_of_values import calendar, has_times, is_kind
from workbench.core.named_values import NamedValues, named_values, number_array, stacked
from workbench.core.variable import Variable, named

if TYPE_CHECKING:
    import numpy as np


def parse_values(
    text: str, *, noun: str = "observation", suggestion: str = "", error: type[WorkbenchError] = SpecError
) -> tuple[float, ...]:
    """Parse numbers that are separated by commas, semicolons or blanks, such as ``1.5,0``.

    Raises ``error`` for a part that is no number; its message contains ``noun`` and ``suggestion``.
    """
    text = text.replace("\u2212", "-")  # the minus sign of typography, as plots write it
    try:
        return tuple(float(part) for part in text.replace(",", " ").replace(";", " ").split())
    except ValueError as cause:
        raise error(
            f"The {noun} is not made of numbers",
            expected="numbers with commas between them, as in 1.5,0",
            found=text[:80],
            suggestion=suggestion,
        ) from cause


def parse_observation(text: str, variables: Sequence[Variable], *, noun: str = "observation") -> Any:
    """Parse one observation: numbers, labels and dates in the order of the variables, or by name.

    They are separated by commas as in CSV, such as ``2016-01-01,oak``; numbers alone by semicolons and blanks
    as well. A text that is the label of its variable's category is that label. Raises `SpecError`.
    """
    if not any(v.labels or calendar(v) for v in variables):
        return parse_named_values(text, noun=noun)
    if "=" in text:
        values = dict(_named_texts(text, noun, SpecError))
        by_name = {v.name: v for v in variables}
        return {
            name: entry if name in by_name and entry in by_name[name].labels else _number_or_text(entry)
            for name, entry in values.items()
        }
    parts = [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [])]
    if len(parts) != len(variables):
        separate = text.replace(";", " ").replace(",", " ").split()
        parts = separate if len(separate) == len(variables) else parts
    if len(parts) != len(variables):
        raise SpecError(
            f"The {noun} has the wrong number of values",
            expected=_form(variables, noun),
            found=f"{len(parts)}: {text[:80]}",
        )
    return {
        v.name: part if part in v.labels else _number_or_text(part)
        for v, part in zip(variables, parts, strict=True)
    }


def parse_named_values(
    text: str, *, noun: str = "observation", error: type[WorkbenchError] = SpecError
) -> tuple[float, ...] | dict[str, float | str]:
    """Parse numbers, or numbers by name such as ``height=0, range=1.5`` in any order.

    A name that holds a comma or an equals sign stands in double quotes, as in CSV: ``"flux (mJy, 3 GHz)"=2``.
    A value that is no number stays a text: it may be the label of a category. Raises ``error`` for numbers
    without names that are none, and for a name that stands twice.
    """
    if "=" not in text:
        return parse_values(text, noun=noun, error=error)
    return {name: _number_or_text(entry) for name, entry in _named_texts(text, noun, error)}


def _named_texts(text: str, noun: str, error: type[WorkbenchError]) -> list[tuple[str, str]]:
    """Split ``height=0, range=1.5`` into names and texts of values."""
    # a quoted name is quoted together with its value for the reader of CSV
    parts = next(csv.reader([_quoted(text)], skipinitialspace=True))
    values: dict[str, str] = {}
    for part in filter(str.strip, parts):
        name, equals, number = part.strip().rpartition("=")
        name = name.strip()
        if not equals or name in values:
            raise error(
                f"The {noun} cannot be read",
                expected="each variable once, as in height=0, range=1.5",
                found=part[:80],
            )
        values[name] = number.strip()
    return list(values.items())


def _number_or_text(text: str) -> float | str:
    """Return the number that a text is, or else the text itself, such as the label of a category."""
    try:
        return float(text.replace("\u2212", "-"))
    except ValueError:
        return text


def _quoted(text: str) -> str:
    """Move the closing quotation mark of each quoted name behind its value: "a, b"=1 -> "a, b=1"."""
    import re

    return re.sub(r'"((?:[^"]|"")*)"(\s*=[^,]*)', lambda m: f'"{m[1]}{m[2]}"', text)


def checked_values(
    values: Any,
    variables: Sequence[Variable],
    *,
    noun: str = "observation",
    owner: str = "",
    error: type[WorkbenchError] = SpecError,
) -> tuple[float, ...]:
    """Convert values to a tuple of M finite floats, one for each variable, or raise ``error``.

    Parameters
    ----------
    values : M numbers in any shape, or by name in any order: a mapping, a Series, a table with one row, a
        Dataset or DataArray.
    variables : the M variables, in the order of the values.
    noun : what the values are, for the error message.
    owner : what the values belong to (a problem, a model), for the error message; may be empty.
    error : class of the error to raise.

    Raises ``error`` for values that are not numbers, for a wrong number of them, for missing and unknown
    names, and for the first one that is infinite or not a number.
    """
    subject = f"The {noun}" + (f" for {owner}" if owner else "")
    rows, many = _rows(values, variables, noun, subject, error)
    if many and len(rows) != 1:
        raise error(
            f"{subject} has the wrong number of values",
            expected=_form(variables, noun),
            found=f"{len(rows)} rows of them",
            suggestion="choose one row",
        )
    _check_finite(rows, variables, subject, error)
    return tuple(rows[0].tolist())


def checked_rows(
    values: Any,
    variables: Sequence[Variable],
    *,
    noun: str = "observation",
    error: type[WorkbenchError] = SpecError,
) -> tuple[np.ndarray, bool]:
    """Convert one row of values, or many, to finite numbers (k, M), float64, and whether they are many.

    Many are an array (k, M) with k > 1, a mapping, table, Dataset or DataArray with k values for each name,
    or a sequence of mappings. One row is accepted in every form that `checked_values` accepts. A Dataset or
    DataArray with a dimension is many even where that has length 1. Raises ``error`` as `checked_values`.
    """
    rows, many = _rows(values, variables, noun, f"The {noun}", error)
    _check_finite(rows, variables, f"The {noun}", error)
    return rows, many


def optional_values(values: Any, variables: Sequence[Variable]) -> tuple[float, ...]:
    """Return the checked values of one observation; () where none is given: None, or an empty sequence."""
    if values is None or (isinstance(values, tuple | list) and not values):
        return ()
    return checked_values(values, variables)


def _rows(
    values: Any, variables: Sequence[Variable], noun: str, subject: str, error: type[WorkbenchError]
) -> tuple[np.ndarray, bool]:
    """Convert values to (k, M), and say whether they were given as many; finiteness is not checked."""
    source = named_values(values, variables) if variables else None
    other_kinds = any(v.labels or calendar(v) for v in variables) or has_times(values)
    if source is None and variables and other_kinds:
        source = _columns(values, variables)
    if source is None:
        return _ordered_rows(values, variables, noun, subject, error)
    array, dims = stacked(source, variables, subject=subject, error=error)
    if array.ndim > 2:
        extent = ", ".join(d or str(n) for d, n in zip(dims, array.shape[:-1], strict=True))
        raise error(
            f"{subject} has more than one dimension of rows",
            expected="one observation, or one dimension of them",
            found=extent,
            suggestion="stack them, as in data.stack(observation=[…]).reset_index('observation')",
        )
    if not array.size:
        raise error(f"{subject} has no rows", expected=_form(variables, noun), found="an empty table")
    many = array.ndim == 2 and (len(array) > 1 or bool(dims[0]))
    return array.reshape(-1, len(variables)), many


def _columns(values: Any, variables: Sequence[Variable]) -> NamedValues | None:
    """Return values with labels, dates or durations among them as columns by name; None for numbers alone.

    They are those of one row in the order of the variables, or of many rows, (k, M).
    """
    import numpy as np

    if number_array(values) is not None and not any(v.labels for v in variables):
        return None
    names = [v.name for v in variables]
    if isinstance(values, str) or not hasattr(values, "__len__"):
        return NamedValues({names[0]: values}) if len(names) == 1 else None
    if hasattr(values, "detach") or (hasattr(values, "shape") and not values.shape):
        return NamedValues({names[0]: values}) if len(names) == 1 and not hasattr(values, "detach") else None
    rows = list(values)
    if len(rows) == len(names) and not any(_is_row(row) for row in rows):
        return NamedValues(dict(zip(names, rows, strict=True)))
    if rows and all(_is_row(row) and len(row) == len(names) for row in rows):
        columns = zip(*(list(row) for row in rows), strict=True)
        if len(rows) == 1:
            return NamedValues(dict(zip(names, (column[0] for column in columns), strict=True)))
        arrays = [np.array([_plain_entry(entry) for entry in column], dtype=object) for column in columns]
        return NamedValues(dict(zip(names, map(_tightened, arrays), strict=True)))
    return None


def _is_row(entry: Any) -> bool:
    return hasattr(entry, "__len__") and not isinstance(entry, str) and getattr(entry, "ndim", 1) > 0


def _plain_entry(entry: Any) -> Any:
    """Return an entry of a column, a number of NumPy as one of Python's."""
    return entry.item() if getattr(entry, "ndim", 1) == 0 and not is_kind(entry, "Mm") else entry


def _tightened(column: np.ndarray) -> np.ndarray:
    """Return a column of objects as numbers where it holds nothing else."""
    numbers = number_array(column)
    return column if numbers is None else numbers


def _ordered_rows(
    values: Any, variables: Sequence[Variable], noun: str, subject: str, error: type[WorkbenchError]
) -> tuple[np.ndarray, bool]:
    array, count = number_array(values), len(variables)
    if array is None:
        several = count == 1 and isinstance(values, list | tuple) and len(values) > 1
        raise error(
            f"{subject} is not made of numbers" + _or_kinds(variables),
            expected=_form(variables, noun),
            found=repr(values)[:80],
            suggestion=f"give {len(values)} of them as rows, [[…], […]]" if several else "",
        )
    if array.ndim == 2 and len(array) > 1 and array.shape[1] == count > 0:
        return array, True
    if array.ndim == 2 and not len(array):
        raise error(f"{subject} has no rows", expected=_form(variables, noun), found="an empty table")
    if array.size != count:
        several = array.ndim == 1 and count == 1 and array.size > 1
        rows = array.ndim > 2 and len(array) > 0 and array.size == count * len(array)
        hint = f"give {array.size} of them as rows: an array ({array.size}, 1)" if several else ""
        if rows:
            hint = f"give each observation as a row: values.reshape({len(array)}, {count})"
        raise error(
            f"{subject} has the wrong number of values",
            expected=_form(variables, noun),
            found=f"an array of shape {array.shape}" if array.ndim > 1 else f"{array.size}",
            suggestion=hint,
        )
    return array.reshape(1, -1), False


def _form(variables: Sequence[Variable], noun: str) -> str:
    names = named(variables) or f"none: there is no {noun}"
    word = "number" if not any(v.labels or calendar(v) for v in variables) else "value"
    return f"{len(variables)} {word if len(variables) == 1 else word + 's'} ({names})"


def _or_kinds(variables: Sequence[Variable]) -> str:
    """Return which variables may have other values than numbers, for a message; "" for none."""
    labels = [v for v in variables if v.labels]
    dates = [v for v in variables if calendar(v)]
    texts = [f"labels such as {v.labels[0]!r} for '{v.name}'" for v in labels[:1]]
    texts += [f"dates such as 2016-01-31 for '{v.name}'" for v in dates[:1]]
    return ", " + " and ".join(texts) if texts else ""


def _check_finite(
    rows: np.ndarray, variables: Sequence[Variable], subject: str, error: type[WorkbenchError]
) -> None:
    import numpy as np

    finite = np.isfinite(rows)
    if finite.all():
        return
    row, column = np.argwhere(~finite)[0].tolist()
    raise error(
        f"{subject} holds values that are not finite",
        expected=f"a number for {variables[column].name}",
        found=f"{rows[row, column]}" + (f" in row {row}" if len(rows) > 1 else ""),
        suggestion="give a number for every variable: a missing value cannot be left out",
    )
