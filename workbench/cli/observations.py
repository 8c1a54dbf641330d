"""Observations on the command line: numbers in order, numbers by name, or the rows of a table in a file."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import SpecError, did_you_mean
from workbench.core.kinds_of_values import calendar
from workbench.core.observation import checked_rows, parse_observation, parse_values
from workbench.core.variable import Variable, named

if TYPE_CHECKING:
    pass


#: Size in bytes up to which a text is tried as numbers without names.
_LONGEST_TEXT = 10_000_000
_DECIMAL_COMMA = re.compile(r"^[-+]?\d+(,\d+)?$")


def given(args: argparse.Namespace) -> bool:
    """True where an observation stands on the command line, as numbers or as a file."""
    return args.observation is not None or args.observation_file is not None


def observed(model: Any) -> tuple[Variable, ...]:
    """Return the observed variables of a run or of a fitted model."""
    return tuple(model.problem.y if hasattr(model, "problem") else model.y)


def observation(args: argparse.Namespace, variables: Sequence[Variable], *, many: bool = False) -> Any:
    """Return the observation of a model with these observed variables; None where none is given.

    It is a list of M floats, or with ``many`` an array (k, M) where a file has several rows. Raises
    `SpecError` for values and names that do not fit.
    """
    if not given(args):
        return None
    if not variables:
        raise SpecError(
            "This model has no observation", expected="no --observation", found="a density of x alone"
        )
    if args.observation is not None:
        _refuse_decimal_commas(args.observation, len(variables))
        rows, several = checked_rows(parse_observation(args.observation, variables), variables)
    else:
        rows, several = checked_rows(_from_file(args.observation_file, variables), variables)
    if several and not many:
        raise SpecError(
            "One observation was expected", expected="a table with one row", found=f"{len(rows)} rows"
        )
    return rows if several else rows[0].tolist()


def _refuse_decimal_commas(text: str, count: int) -> None:
    """Raise `SpecError` for as many numbers with decimal commas as there are variables."""
    parts = [part for part in re.split(r"[;\s]+", text.rpartition("=")[2] if count == 1 else text) if part]
    if "," not in text or len(parts) != count or not all(_DECIMAL_COMMA.match(part) for part in parts):
        return
    if len(re.split(r"[,;\s]+", text.strip())) == count:
        return  # that many whole numbers with commas between them
    points = ",".join(part.replace(",", ".") for part in parts)
    raise SpecError(
        "The observation has decimal commas, which stand between numbers here",
        expected="decimal points, and commas between the numbers",
        found=text[:80],
        suggestion=f"write --observation {points}",
    )


def _from_file(path: str, variables: Sequence[Variable]) -> Any:
    """Read the values of the observed variables from a file: a table, a file of numbers alone, or JSON.

    The columns of a table are found by their names; numbers alone are in the order of the variables.
    """
    import pandas as pd

    from workbench.problems.user.numbers import column_numbers
    from workbench.problems.user.readers import read_table

    if not Path(path.partition("#")[0]).exists():
        raise SpecError("There is no file of observations", expected="a table", found=f"nothing at {path}")
    if Path(path).suffix == ".json":
        return _from_json(Path(path))
    if Path(path).suffix in (".csv", ".txt", ".dat") and (rows := _number_rows(Path(path))) is not None:
        return rows
    raw = read_table(path)
    frame = raw.frame
    columns = [str(c) for c in frame.columns]
    if missing := [v.name for v in variables if v.name not in columns]:
        raise SpecError(
            f"The file '{Path(path).name}' has no column '{missing[0]}'",
            expected=f"columns {named(variables)}",
            found=", ".join(columns[:8]),
            suggestion=did_you_mean(missing[0], columns),
        )

    def values(variable: Variable) -> Any:
        column = frame[variable.name]
        as_it_is = variable.labels or (calendar(variable) and not pd.api.types.is_numeric_dtype(column))
        return column if as_it_is else column_numbers(column, variable.name, raw.writing)

    return pd.DataFrame({v.name: values(v) for v in variables})


def _from_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise SpecError(
            f"The file '{path.name}' cannot be read", expected="JSON", found=str(error)
        ) from error


def _number_rows(path: Path) -> list[tuple[float, ...]] | None:
    """Return the rows of a text of numbers alone; None for any other text, such as one with names."""
    if path.stat().st_size > _LONGEST_TEXT:
        return None
    lines = [line.partition("#")[0].strip() for line in path.read_text(errors="replace").splitlines()]
    try:
        rows = [parse_values(line) for line in lines if line]
    except SpecError:
        return None
    return rows or None
