"""Convert columns of a table to numbers, with errors that tell the user what to correct."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.core.scale import column_std
from workbench.problems.user.decimals import (
    Writing,
    decimal_mark,
    is_grouped_number,
    is_two_ways,
    two_ways_hint,
    without_groups,
)
from workbench.problems.user.hints import number_hint, with_others
from workbench.problems.user.written_dates import are_written_dates, written_dates

if TYPE_CHECKING:
    import pandas as pd

    from workbench.problems.user.raw_table import RawTable

MINIMUM_ROWS = 50
#: Largest number of different texts in a column of categories.
MAXIMUM_LABELS = 1000
#: Unit of dates, and of differences of dates.
DATE_UNIT, DURATION_UNIT = "days since 1970-01-01", "s"
#: Unit of moments that had a time zone.
AWARE_UNIT = f"{DATE_UNIT} UTC"
_ZONE = r":\d{2}(?:[.,]\d+)?\s*(?:Z|[-+]\d{2}:?\d{2})\s*$"
#: Numbers above this (or all below its inverse) leave no room for squares in double precision.
_LARGEST = 1e120
_SPACED = re.compile(
    r"^[-+]?[1-9]\d{0,2}(?P<gap>[ '_\u2019\u00a0\u2009\u202f])\d{3}((?P=gap)\d{3})*([.,]\d*)?$"
)
#: First rows that may be further lines of a heading.
_HEADING_ROWS = 3
_DURATION = r"^\s*-?\d+ days?(,? [-+]?\d{1,2}:\d{2}:\d{2}([.,]\d+)?)?\s*$"
_ISO_DATE = r"^\s*\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|[-+]\d{2}:?\d{2})?)?)?\s*$"


@dataclass(frozen=True)
class Numbers:
    """A column as float64 with NaN for missing values; unit and labels where they follow from its content."""

    values: np.ndarray
    unit: str = ""
    labels: tuple[str, ...] = ()
    kind: str = "number"


def column_numbers(column: pd.Series, name: str, writing: Writing | None = None) -> np.ndarray:
    """Return a column as float64 with NaN for missing values; raises `DataError` for other than numbers."""
    return read_column(column, name, writing=writing).values


def read_column(
    column: pd.Series, name: str, *, categories: bool = False, writing: Writing | None = None
) -> Numbers:
    """Convert a column of numbers, texts that are numbers, truth values, dates or durations.

    With ``categories``, texts and truth values are numbered 0, 1, 2, … in their order and kept as labels.
    ``writing`` is how the other numbers of the table are written. Raises `DataError` for everything else,
    with the first such value.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        if categories and not pd.api.types.is_numeric_dtype(column.cat.categories.dtype):
            return _labelled(column, name, list(column.cat.categories))
        column = column.astype(column.cat.categories.dtype)
    kind = column.dtype
    if isinstance(kind, pd.PeriodDtype):
        column = column.dt.to_timestamp()
        kind = column.dtype
    if pd.api.types.is_complex_dtype(kind):
        raise _not_plain(name, str(kind))
    if pd.api.types.is_datetime64_any_dtype(kind):
        aware = getattr(kind, "tz", None) is not None
        return Numbers(_days(column), AWARE_UNIT if aware else DATE_UNIT, kind="dates")
    if pd.api.types.is_timedelta64_dtype(kind):
        return Numbers(_seconds(column), DURATION_UNIT)
    if pd.api.types.is_bool_dtype(kind) or _holds_booleans(column):
        values = column.astype("boolean").to_numpy(dtype=np.float64, na_value=np.nan)
        return Numbers(values, labels=("false", "true") if categories else (), kind="booleans")
    if pd.api.types.is_numeric_dtype(kind):
        return Numbers(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return _from_texts(column, name, categories, writing or Writing())


def _not_plain(name: str, found: str) -> DataError:
    return DataError(
        f"The column '{name}' does not hold plain numbers",
        expected="real numbers",
        found=found,
        suggestion="write real and imaginary part, or modulus and phase, into columns of their own",
    )


def _holds_booleans(column: pd.Series) -> bool:
    import pandas as pd

    return column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "boolean"


def _days(column: pd.Series) -> np.ndarray:
    """Return dates and times as days since 1970 in universal time, NaN where one is missing."""
    import pandas as pd

    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return ((column - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)).to_numpy(
        np.float64, na_value=np.nan
    )


def _date_unit(column: pd.Series, zones: pd.Series, name: str) -> str:
    """Return the unit of moments, by the rows whose moment has a time zone.

    Raises `DataError` where some rows have one and others do not: by how much these differ, nobody can tell.
    """
    present, aware = column.notna().to_numpy(), zones.to_numpy(dtype=bool)
    if not (present & aware).any():
        return DATE_UNIT
    if (present & ~aware).any():
        rows = int((present & aware).argmax()), int((present & ~aware).argmax())
        texts = [f"'{column.iloc[row]}' in row {row + 1}" for row in rows]
        raise DataError(
            f"Some times in the column '{name}' have a time zone, and others have none",
            expected="a time zone in every row, or in none",
            found=" and ".join(texts),
            suggestion="write the time zone in every row, such as 2024-07-01T12:00+02:00",
        )
    return AWARE_UNIT


def _from_texts(column: pd.Series, name: str, categories: bool, writing: Writing) -> Numbers:
    import pandas as pd

    if column.dtype == object and column.notna().any():
        first = column[column.notna()].iloc[0]
        if isinstance(first, complex):
            raise _not_plain(name, "complex numbers")
        if hasattr(first, "__len__") and not isinstance(first, (str, bytes)):
            raise DataError(
                f"The column '{name}' holds several numbers in a row",
                expected="one number in a row",
                found=repr(first)[:60],
                suggestion=f"write them into columns {name}_0, {name}_1 and so on",
            )
        if hasattr(first, "isoformat") and hasattr(first, "year"):
            zones = column.map(lambda moment: getattr(moment, "tzinfo", None) is not None)
            unit = _date_unit(column, zones, name)
            return Numbers(_days(pd.to_datetime(column, utc=True)), unit, kind="dates")
        if hasattr(first, "total_seconds"):
            return Numbers(_seconds(pd.to_timedelta(column)), DURATION_UNIT)
    text = column.astype("string").str.strip()
    text = text.mask(text == "")
    values = _parsed(text, writing)
    wrong = np.isnan(values) & text.notna().to_numpy() & (text.str.lower() != "nan").fillna(False).to_numpy()
    if not wrong.any():
        return Numbers(values)
    words = text.str.lower().isin(["true", "false"]) | text.isna()
    if words.all():
        values = (text.str.lower() == "true").to_numpy(dtype=np.float64, na_value=np.nan)
        return Numbers(values, labels=("false", "true") if categories else (), kind="booleans")
    if categories:
        return _labelled(text, name, sorted(text.dropna().unique()))
    if bool(text.str.match(_ISO_DATE).fillna(True).all()):
        dates = pd.to_datetime(text.str.replace(",", "."), format="ISO8601", utc=True, errors="coerce")
        if not bool((dates.isna() & text.notna()).any()):
            unit = _date_unit(text, text.str.contains(_ZONE).fillna(False), name)
            return Numbers(_days(dates), unit, kind="dates")
    if (dates := written_dates(text, name)) is not None:
        return Numbers(_days(dates), DATE_UNIT, kind="dates")
    if bool(text.str.match(_DURATION).fillna(True).all()):
        return Numbers(_seconds(pd.to_timedelta(text.str.replace(",", " "))), DURATION_UNIT)
    row = int(wrong.argmax())
    value = str(text.iloc[row])
    hint = two_ways_hint(value) if is_two_ways(value) else number_hint(value, name)
    if (
        len(text) > 10 * _HEADING_ROWS
        and not wrong[_HEADING_ROWS:].any()
        and not any(map(str.isdigit, value))
    ):
        hint = "leave out lines below the names that hold units, types or further names"
    raise DataError(
        f"The column '{name}' does not hold numbers",
        expected="numbers",
        found=with_others(f"{value[:40]!r} in row {row + 1}", int(wrong.sum()) - 1),
        suggestion=hint,
    )


def holds_open_numbers(column: pd.Series) -> bool:
    """Return True for numbers and dates that are refused only since they can be read in two ways."""
    text = column.astype("string").dropna().str.strip()
    return are_written_dates(text) or (len(text) > 0 and all(map(is_grouped_number, text.drop_duplicates())))


def _seconds(column: pd.Series) -> np.ndarray:
    return column.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)


def _labelled(column: pd.Series, name: str, labels: Sequence[object]) -> Numbers:
    """Return a column of texts as the places of its values in ``labels``, NaN where one is missing."""
    import pandas as pd

    if len(labels) > MAXIMUM_LABELS:
        raise DataError(
            f"The column '{name}' is to hold categories",
            expected=f"at most {MAXIMUM_LABELS} different texts",
            found=str(len(labels)),
            suggestion="group rare ones together, or leave the column out",
        )
    codes = pd.Categorical(column, categories=list(labels)).codes.astype(np.float64)
    return Numbers(np.where(codes < 0, np.nan, codes), labels=tuple(map(str, labels)), kind="texts")


def _parsed(text: pd.Series, writing: Writing) -> np.ndarray:
    """Return texts as numbers, NaN where a text is none or can be read in two ways."""
    import pandas as pd

    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
    has_mark = text.str.contains("[.,]", regex=True).fillna(False).to_numpy(dtype=bool)
    open_rows = (np.isnan(numbers) & text.notna().to_numpy()) | has_mark
    if not open_rows.any():
        return numbers
    rest = text.str.replace("\u2212", "-")
    rest = rest.str.replace(r"^([-+]?(?:\d+\.?\d*|\.\d+))[dDqQ]([-+]?\d+)$", r"\1e\2", regex=True)
    rest = rest.str.replace(r"^([-+]?\d*\.\d+)([-+]\d{3})$", r"\1e\2", regex=True)  # Fortran: 1.5-101
    has_gaps = rest.str.match(_SPACED).fillna(False)
    rest = rest.mask(has_gaps, rest.str.replace("[ '_\u2019\u00a0\u2009\u202f]", "", regex=True))
    mark = decimal_mark(rest, writing)
    if mark:
        rest = without_groups(rest, mark)
    else:
        # of points and commas, the commas are the less usual ones
        open_marks = "," if bool(rest.str.contains(",", regex=False).fillna(False).any()) else "."
        rest = rest.mask(rest.str.contains(open_marks, regex=False).fillna(False))
    numbers[open_rows] = pd.to_numeric(rest[open_rows], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return numbers


@dataclass(frozen=True)
class TableNumbers:
    """Checked columns (n, k), their units and labels by position, and the rows' places in the source."""

    values: np.ndarray
    units: dict[int, str]
    labels: dict[int, tuple[str, ...]]
    rows: np.ndarray


def table_numbers(
    raw: RawTable, names: list[str], missing: str, categories: Collection[str] = ()
) -> TableNumbers:
    """Return the columns ``names`` as finite float64 numbers (n, k), without rows that miss a value.

    Raises `DataError` for missing and infinite values if ``missing`` is "refuse", numbers too large to
    compute with, fewer than `MINIMUM_ROWS` rows and constant columns.
    """
    columns = [
        read_column(raw.frame[n], n, categories=n in categories and n not in raw.labels, writing=raw.writing)
        for n in names
    ]
    values = np.column_stack([column.values for column in columns])
    gaps, infinite = np.isnan(values), np.isinf(values)
    if missing == "refuse":
        _refuse_gaps(names, gaps, infinite)
    rows = np.flatnonzero(~(gaps | infinite).any(axis=1))
    values = values[rows]
    if len(values) < MINIMUM_ROWS:
        note = " after rows with missing values were dropped" if len(rows) < len(gaps) else ""
        raise DataError(
            "The table has too few rows to learn from",
            expected=f"at least {MINIMUM_ROWS}",
            found=f"{len(values)}{note}",
        )
    _check_magnitude(names, values, rows)
    _check_constant(names, values)
    units = {i: column.unit for i, column in enumerate(columns) if column.unit}
    labels = {i: column.labels for i, column in enumerate(columns) if column.labels}
    return TableNumbers(values, units, labels, rows)


class GapsError(DataError):
    """The error of a table with missing or infinite values, which may be used without those rows.

    ``rows`` is the number of rows that would be left out, ``total`` that of all rows.
    """

    rows, total = 0, 0


def _gaps_error(rows: np.ndarray, asked: str, **about: str) -> GapsError:
    """Return the error of a table in which the mask ``rows`` (n,) tells the rows that miss a value."""
    error = GapsError(asked, **about)
    error.rows, error.total = int(rows.sum()), len(rows)
    return error


def _refuse_gaps(names: list[str], gaps: np.ndarray, infinite: np.ndarray) -> None:
    rows, gaps, infinite = (gaps | infinite).any(axis=1), gaps.sum(axis=0), infinite.sum(axis=0)
    suggestion = "set missing='drop' to leave such rows out"
    if infinite.any():
        raise _gaps_error(
            rows,
            "The table holds infinite values",
            expected="finite numbers",
            found=_counts(names, infinite),
            suggestion=suggestion,
        )
    if gaps.any():
        raise _gaps_error(
            rows,
            "The table has missing values",
            expected="a number in every row",
            found=_counts(names, gaps),
            suggestion=suggestion,
        )


def _check_magnitude(names: list[str], values: np.ndarray, rows: np.ndarray) -> None:
    """Raise `DataError` for numbers so large or so small that their squares are no numbers any more."""
    for name, column in zip(names, values.T, strict=True):
        size = np.abs(column)
        row = int(size.argmax())
        if size[row] > _LARGEST or 0 < size[row] < 1 / _LARGEST:
            raise DataError(
                f"The numbers of the column '{name}' are too {'large' if size[row] > 1 else 'small'}",
                expected=f"a magnitude between {1 / _LARGEST:g} and {_LARGEST:g}",
                found=f"{column[row]:g} in row {rows[row] + 1}",
                suggestion="choose another unit; if the value stands for a missing one, leave its cell empty",
            )


def _check_constant(names: list[str], values: np.ndarray) -> None:
    spread = column_std(torch.from_numpy(np.ascontiguousarray(values))).numpy()
    constant = [name for name, width in zip(names, spread, strict=True) if width == 0]
    if constant:
        same = all((values[:, names.index(name)] == values[0, names.index(name)]).all() for name in constant)
        raise DataError(
            "A column of the table is constant",
            expected="columns that vary" + ("" if same else " by more than their own rounding"),
            found=", ".join(map(repr, constant[:5])),
            suggestion="leave it out of x and y",
        )


def _counts(names: list[str], counts: np.ndarray) -> str:
    """Return the counts above zero as text, such as "3 in 'height'", for an error message."""
    parts = [f"{int(c)} in '{n}'" for n, c in zip(names, counts, strict=True) if c]
    return ", ".join(parts[:8]) + (f" and {len(parts) - 8} more columns" if len(parts) > 8 else "")
