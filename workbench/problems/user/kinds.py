"""Kinds of the columns of a table, as its settings declare them: checked values and their variables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import DataError, SpecError, unknown
from workbench.core.variable import OPEN_LEVELS, Variable
from workbench.problems.base import one_line
from workbench.problems.user.columns import check_far_values, kind_notes, propose
from workbench.problems.user.hints import with_others
from workbench.problems.user.numbers import Numbers, holds_open_numbers, read_column, table_numbers
from workbench.problems.user.raw_table import RawTable, bare_name, parent_name, same_spelling
from workbench.problems.user.readers import NOTES, PLAIN_NAMES, read_table
from workbench.problems.user.trials import turn_sentences

if TYPE_CHECKING:
    import pandas as pd

    from workbench.problems.user.table import TableProblem

#: Settings of a `TableProblem`, beside its path, that determine its rows and variables.
KIND_SETTINGS = (
    "x_columns",
    "y_columns",
    "categories",
    "log",
    "whole",
    "robust",
    "period",
    "low",
    "high",
    "group",
    "group_path",
    "row_dimension",
    "missing",
)
_LISTS, _NUMBERS = ("categories", "log", "whole", "robust"), ("period", "low", "high")


@dataclass(frozen=True)
class Column:
    """One column of a table as a form lists it.

    ``refusal`` is the reason why it cannot be used, or empty; ``kind`` is what it suggests ("number", "log",
    "whole", "period", "categories", "constant"), ``reason`` why, and ``period`` that of a cyclic one.
    """

    name: str
    unit: str
    description: str
    rows: int
    missing: int
    refusal: str
    kind: str = "number"
    reason: str = ""
    period: float = 0.0

    @property
    def usable(self) -> bool:
        """True for a column that can be x or y and is worth it."""
        return not self.refusal and self.kind not in ("constant", "none")


@dataclass(frozen=True)
class Rows:
    """Checked rows of a table, and the settings that they were read for.

    Parameters
    ----------
    values : numbers (n, D + M), float64.
    variables : their D + M variables; the first ``width`` are those of x.
    places : places (n,) of the rows in the source, from 0.
    groups : labels (n,) of rows that belong together, int64, or None.
    notes : sentences on what was assumed in reading.
    """

    values: np.ndarray
    variables: tuple[Variable, ...]
    width: int
    places: np.ndarray
    groups: np.ndarray | None
    notes: tuple[str, ...]
    settings: tuple


@public
def describe(source: Any, *, group_path: str = "") -> list[Column]:
    """Return one `Column` per column of a table, usable or not, with the kind that it suggests."""
    return described(source, group_path=group_path)[0]


def described(source: Any, *, group_path: str = "") -> tuple[list[Column], tuple[str, ...]]:
    """Return the columns of a table as `describe` does, and what was assumed in reading, as sentences."""
    raw = read_table(source, group_path=group_path)
    columns = []
    for name in raw.frame.columns:
        column = raw.frame[name]
        unit, description = raw.units.get(name, ""), raw.descriptions.get(name, "")
        try:
            numbers = _numbers(column, name, raw)
        except DataError as error:
            missing = int(column.isna().sum())
            columns.append(Column(name, unit, description, len(column), missing, one_line(error), "none"))
            continue
        proposal = propose(numbers, name, unit)
        missing = int((~np.isfinite(numbers.values)).sum())
        columns.append(
            Column(
                name,
                unit or numbers.unit,
                description,
                len(column),
                missing,
                "",
                proposal.kind,
                proposal.reason,
                proposal.period,
            )
        )
    return columns, raw.notes


def proposed_settings(columns: Iterable[Column]) -> dict[str, Any]:
    """Return the settings of a `TableProblem` that declare the kinds which ``columns`` suggest."""
    settings: dict[str, Any] = {}
    for column in columns:
        if column.kind == "period":
            settings.setdefault("period", {})[column.name] = column.period
        elif column.kind in ("log", "whole", "categories"):
            settings.setdefault(column.kind, []).append(column.name)
    return settings


def write_columns(source: Any, columns: Iterable[Column], path: str | Path) -> None:
    """Write ``columns`` of a table to a Parquet file: numbers as they are read, and texts of categories."""
    import pyarrow
    from pyarrow import parquet

    raw = read_table(source)
    fields, arrays = [], []
    for column in columns:
        numbers = _numbers(raw.frame[column.name], column.name, raw)
        about = {"units": column.unit, "long_name": column.description}
        if numbers.labels:
            texts = [None if np.isnan(v) else numbers.labels[int(v)] for v in numbers.values]
            arrays.append(pyarrow.array(texts, pyarrow.string()))
        elif numbers.kind == "booleans":
            truths = [None if np.isnan(v) else bool(v) for v in numbers.values]
            arrays.append(pyarrow.array(truths, pyarrow.bool_()))
        else:
            arrays.append(pyarrow.array(numbers.values, pyarrow.float64(), from_pandas=True))
        fields.append(pyarrow.field(column.name, arrays[-1].type, metadata=about))
    schema = pyarrow.schema(fields, metadata={PLAIN_NAMES: b"1", NOTES: json.dumps(raw.notes)})
    parquet.write_table(pyarrow.table(arrays, schema=schema), path)


def _numbers(column: pd.Series, name: str, raw: RawTable) -> Numbers:
    """Return a column as numbers where it holds any, and else as categories."""
    try:
        return read_column(column, name, writing=raw.writing)
    except DataError:
        if holds_open_numbers(column):
            raise
        return read_column(column, name, categories=True)


def checked_rows(raw: RawTable, problem: TableProblem, settings: tuple, *, stored: bool) -> Rows:
    """Check the columns of a table against the settings of ``problem``; raises `DataError` if they are unfit.

    ``stored`` tells that the columns are those of a run folder, which were checked before.
    """
    everything = list(raw.frame.columns)
    names_x = _expanded(problem.x_columns, everything)
    names_y = _expanded(problem.y_columns, everything[len(names_x) :])
    names = names_x + names_y
    by_setting = {
        setting: _by_column(names, getattr(problem, setting), setting) for setting in _LISTS + _NUMBERS
    }
    numbers = table_numbers(raw, names, problem.missing, list(by_setting["categories"]))
    values = numbers.values
    variables, turns = [], ()
    for i, name in enumerate(names):
        options = {
            setting: by_setting[setting][name] for setting in _LISTS + _NUMBERS if name in by_setting[setting]
        }
        labels = raw.labels.get(name, numbers.labels.get(i, ()))
        unit = raw.units.get(name, "") or numbers.units.get(i, "")
        try:
            kind = _kind(name, values[:, i], options, labels, numbers.rows)
            about = {
                "description": raw.descriptions.get(name, ""),
                "coordinates": raw.coordinates.get(name, ()),
            }
            variable = Variable(name, unit=unit, **about, **kind)
        except SpecError as error:
            texts = {part: getattr(error, part) for part in ("expected", "found", "suggestion")}
            raise DataError(error.asked, **texts) from error
        variables.append(variable)
        turns += turn_sentences(values[:, i : i + 1], (variable,))
        values[:, i] = _inside(values[:, i], variables[-1], numbers.rows)
    if not stored:
        check_far_values(values, variables, numbers.rows)
    groups = None
    if problem.group:
        groups = _groups(raw, problem.group, numbers.rows)
    notes = (*raw.notes, *turns, *kind_notes(values, variables, len(names_x), numbers.rows))
    return Rows(values, tuple(variables), len(names_x), numbers.rows, groups, notes, settings)


def _expanded(asked: Iterable[str], columns: list[str]) -> list[str]:
    """Return the first of ``columns``, which were read for the names ``asked``: a vector has several."""
    place = 0
    for name in map(same_spelling, asked):
        own = (name, bare_name(name)[0])
        if columns[place] in own:
            place += 1
            continue
        first = place
        while place < len(columns) and columns[place] in (f"{n}_{place - first}" for n in own):
            place += 1
    return columns[:place]


def _by_column(names: list[str], setting: Any, noun: str) -> dict[str, Any]:
    """Return {column: value} of a setting that names columns, vectors or headings with units."""
    result = {}
    for name in setting:
        own = (same_spelling(name), bare_name(same_spelling(name))[0])
        columns = [n for n in names if n in own] or [n for n in names if parent_name(n) in own]
        if not columns:
            what = "hold categories" if noun == "categories" else f"have the setting '{noun}'"
            raise DataError(
                f"The column '{name}' is to {what}",
                expected="a column of x or y",
                found=", ".join(names),
                suggestion=f"add it to x or y, or take it out of {noun}",
            )
        result |= dict.fromkeys(columns, setting[name] if isinstance(setting, dict) else True)
    return result


def _kind(
    name: str, column: np.ndarray, given: dict[str, Any], labels: tuple[str, ...], rows: np.ndarray
) -> dict[str, Any]:
    """Return the arguments of a `Variable` that the settings of one column declare."""
    bounds = {end: _number(name, end, given[end]) for end in ("low", "high") if end in given}
    kinds = [k for k in (*_LISTS, "period") if k in given]
    if len(kinds) > 1:
        raise DataError(
            f"The column '{name}' has two kinds", expected="one of them", found=" and ".join(kinds)
        )
    if "categories" in given:
        count = len(labels) or _category_count(name, column, rows)
        return {"categories": count, "labels": labels}
    if "log" in given:
        wrong = np.flatnonzero(column <= 0)
        if len(wrong):
            raise DataError(
                f"The column '{name}' is to be learned by its logarithm",
                expected="positive numbers",
                found=_first(column, wrong, rows),
                suggestion=f"take it out of log; robust=['{name}'] is for zeros and negative values",
            )
        return {"scale": "log"} | bounds
    if "whole" in given:
        wrong = np.flatnonzero(column != np.round(column))
        if len(wrong):
            raise DataError(
                f"The column '{name}' is to hold whole numbers",
                expected="whole numbers",
                found=_first(column, wrong, rows),
                suggestion="take it out of whole",
            )
        if column.min() >= 0:
            bounds.setdefault("low", 0.0)  # counts; another bound may be given by low
        levels = OPEN_LEVELS
        if len(bounds) == 2 and bounds["high"] - bounds["low"] >= 1:
            levels = int(bounds["high"] - bounds["low"]) + 1
        return {"levels": levels} | bounds
    if "period" in given:
        period = _number(name, "period", given["period"])
        half = column.min() < 0 and -period / 2 <= column.min() and column.max() <= period / 2
        return {"period": period, "low": bounds.get("low", -period / 2 if half else 0.0)}
    return ({"scale": "robust"} if "robust" in given else {}) | bounds


def _first(column: np.ndarray, wrong: np.ndarray, rows: np.ndarray) -> str:
    """Return the first of the ``wrong`` values of a column with its row, and the number of the others."""
    return with_others(f"{column[wrong[0]]:g} in row {rows[wrong[0]] + 1}", len(wrong) - 1)


def _number(name: str, setting: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The setting '{setting}' of the column '{name}' cannot be used",
            expected="a number",
            found=repr(value),
        ) from error


def _category_count(name: str, column: np.ndarray, rows: np.ndarray) -> int:
    """Return the number of categories; raises `DataError` unless they are coded 0, 1, 2, …"""
    wrong = np.flatnonzero((column < 0) | (column != np.round(column)) | (column >= 10_000))
    if len(wrong):
        raise DataError(
            f"The column '{name}' is to hold categories",
            expected="texts, or whole numbers 0, 1, 2, …",
            found=_first(column, wrong, rows),
            suggestion="number the categories from 0, or take the column out of the categories",
        )
    return int(column.max()) + 1


def _inside(column: np.ndarray, variable: Variable, rows: np.ndarray) -> np.ndarray:
    """Return a column within the bounds of its variable; raises `DataError` for values outside.

    Values of a cyclic column are moved by whole periods.
    """
    if variable.period and ((column < variable.low) | (column > variable.high)).any():
        return variable.low + np.mod(column - variable.low, variable.period)
    outside = np.flatnonzero((column < variable.low) | (column > variable.high))
    if len(outside):
        raise DataError(
            f"The column '{variable.name}' leaves its bounds",
            expected=f"{variable.low:g} to {variable.high:g} {variable.unit}".strip(),
            found=_first(column, outside, rows),
            suggestion="widen the bounds, or mend the values",
        )
    return column


def _groups(raw: RawTable, name: str, rows: np.ndarray) -> np.ndarray:
    """Return the labels (n,) of the rows that belong together: 0, 1, 2, … by the column ``name``."""
    import pandas as pd

    own = [n for n in (same_spelling(name), bare_name(same_spelling(name))[0]) if n in raw.frame]
    if not own:
        raise unknown("column", name, raw.frame.columns, DataError, owner="The table")
    column = raw.frame[own[0]].iloc[rows]
    if column.isna().any():
        raise DataError(
            f"The column '{name}' says which rows belong together",
            expected="a value in every row",
            found=f"{int(column.isna().sum())} missing values",
            suggestion="give each of these rows a value of its own",
        )
    labels, values = pd.factorize(column)
    if len(values) < 4:
        raise DataError(
            f"The column '{name}' says which rows belong together",
            expected="at least 4 groups, to hold some of them out",
            found=f"{len(values)}",
            suggestion="choose another column, or none",
        )
    return labels.astype(np.int64)
