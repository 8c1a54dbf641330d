"""Kinds that columns of numbers suggest, and their faults: heavy tails and far values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import DataError
from workbench.problems.user.numbers import DATE_UNIT, Numbers

if TYPE_CHECKING:
    from workbench.core.variable import Variable

#: Kinds of columns: a number, a positive number by its logarithm, a whole one, a cyclic one, categories.
KINDS = ("number", "log", "whole", "period", "categories")
#: A standard deviation of so many widths of the bulk of a column presses that bulk together: a warning.
HEAVY = 10.0
#: Beyond this many a network in single precision cannot tell the values of the bulk apart: a refusal.
HOPELESS = 1e7
#: A value so many widths away from the median is named, however few there are.
FAR = 1000.0
_DECADES, _MOST_LEVELS = 2.0, 10_000
#: Up to so many different whole numbers in x are told when they are learned as continuous.
_FEW_LEVELS = 20
#: Numbers that often stand for missing values.
_CODES = {
    *(-99.0, -999.0, -9999.0, -99999.0, -99.9, -999.9, -9999.9, -999.99, -999.25, -9999.99, -32768.0),
    *(999.0, 9999.0, 99999.0, 999.9, 9999.9, 99.99, 999.99, 9999.99, 32767.0, 65535.0),
}
_QUANTILES = ((0.25, 0.75, 1.349), (0.1, 0.9, 2.563), (0.05, 0.95, 3.290), (0.01, 0.99, 4.653))
_DEGREES, _RADIANS = (
    ("deg", "degree", "degrees", "°", "grad", "degrees_true", "degree_true", "degrees_east", "degree_east"),
    ("rad", "radian", "radians"),
)
_ANGLE = re.compile(
    r"angle|azimuth|bearing|direction|heading|phase|longitude|theta|phi|winkel|richtung|phasenlage"
    r"|(^|[^a-z])(lon|ra|dir|wd|rotation|yaw|roll)([^a-z]|$)",
    re.I,
)
_HOUR = re.compile(r"(^|[^a-z])(hours?|hod|stunde|uhrzeit)([^a-z]|$)", re.I)
#: Units at the end of a name, as in ``angle_deg``.
_UNIT_IN_NAME = re.compile(r"[^a-z](deg|degrees?|grad|rad|radians?)$", re.I)
#: Share of its period that the values of an angle run over, where a period is proposed.
_AROUND = 0.8


@dataclass(frozen=True)
class Proposal:
    """Kind that a column suggests, the reason in words, and the period of a cyclic one."""

    kind: str
    reason: str
    period: float = 0.0


def propose(numbers: Numbers, name: str = "", unit: str = "") -> Proposal:
    """Return the kind that a column (n,) of numbers suggests; "constant" for one to leave out."""
    values = numbers.values[np.isfinite(numbers.values)]
    if len(values) == 0 or values.min() == values.max():
        return Proposal("constant", "the same value in every row: leave it out")
    if numbers.kind == "texts" and len(numbers.labels) > max(20, 0.5 * len(values)):
        return Proposal("constant", "nearly every row has a text of its own: leave it out")
    if numbers.kind == "texts":
        return Proposal("categories", f"{len(numbers.labels)} different texts")
    if numbers.kind == "booleans":
        return Proposal("categories", "true or false")
    if numbers.kind == "dates":
        return Proposal("number", f"dates, as {DATE_UNIT}")
    if period := _period(values, name, unit):
        return Proposal("period", f"values from {values.min():g} to {values.max():g} of a cycle", period)
    low, high = np.quantile(values, [0.01, 0.99])
    decades = np.log10(high / low) if values.min() > 0 and np.isfinite(high / low) else 0.0
    if bool((values == np.round(values)).all()) and values.max() - values.min() <= _MOST_LEVELS:
        if values.min() == 0 and values.max() == 1:
            return Proposal("categories", "0 or 1")
        return Proposal("whole", f"whole numbers from {values.min():g} to {values.max():g}")
    if decades >= _DECADES:
        return Proposal("log", f"positive, over {decades:.0f} decades")
    return Proposal("number", f"from {values.min():.4g} to {values.max():.4g}")


def _period(values: np.ndarray, name: str, unit: str) -> float:
    """Return the period of an angle or an hour of the day that goes round its cycle, 0 for other columns."""
    low, high = values.min(), values.max()
    in_name = _UNIT_IN_NAME.search(name)
    unit = (unit or (in_name[1] if in_name else "")).lower()
    for units, period in ((_DEGREES, 360.0), (_RADIANS, 2 * np.pi)):
        inside = 0 <= low and high <= period * 1.0001
        inside |= -period / 2 * 1.0001 <= low and high <= period / 2 * 1.0001
        around = inside and high - low > _AROUND * period
        # a name alone tells degrees only: a slope from 0 to 6 may be one of anything
        told = unit in units or (not unit and period == 360.0 and _ANGLE.search(name))
        if around and told and (_ANGLE.search(name) or in_name or unit in ("°", "degrees_true")):
            return float(period)
    hours = _HOUR.search(name) or unit.lower() in ("h", "hour", "hours")
    return 24.0 if hours and low >= 0 and 20 < high - low and high <= 24 else 0.0


def bulk(values: np.ndarray) -> tuple[float, float]:
    """Return median and width (in standard deviations of a normal) of the bulk of a column; 0 if it is one.

    The width is that of the narrowest range of quantiles, from the quartiles on, that is not a single value.
    """
    middle = float(np.median(values))
    for low, high, widths in _QUANTILES:
        edges = np.quantile(values, [low, high])
        if edges[1] > edges[0]:
            return middle, float((edges[1] - edges[0]) / widths)
    return middle, 0.0


def _heaviness(values: np.ndarray, variable: Variable) -> tuple[np.ndarray, float]:
    """Return distances from the median in widths of the bulk, and the standard deviation in such widths."""
    if variable.categories or variable.period or len(values) < 20:
        return np.zeros(len(values)), 1.0
    if variable.scale == "log":
        values = np.log(np.maximum(values, np.finfo(float).tiny))
    middle, width = bulk(values)
    if variable.scale == "robust" and width > 0:
        values = np.arcsinh((values - middle) / width)
        middle, width = bulk(values)
    if width == 0:
        return np.zeros(len(values)), 1.0
    with np.errstate(over="ignore"):
        distance = np.abs(values - middle) / width
        largest = distance.max()
        spread = largest * float(np.std(distance / largest)) if largest > 0 else 1.0
    return distance, spread


def column_warnings(
    values: np.ndarray, variables: Sequence[Variable], rows: np.ndarray | None = None
) -> list[str]:
    """Return a sentence for each column of ``values`` (n, k) with heavy tails or with far values.

    ``rows`` are the places (from 0) of the rows in their source, for the numbers of rows in the sentences.
    """
    sentences = []
    for variable, column in zip(variables, np.asarray(values, dtype=np.float64).T, strict=True):
        distance, spread = _heaviness(column, variable)
        if spread < HEAVY and distance.max(initial=0.0) < FAR:
            continue
        far = np.flatnonzero(distance > max(HEAVY, 0.1 * distance.max()))
        sentences.append(
            f"'{variable.name}' has far values: {_cells(column, far, rows)} (half of its values lie "
            f"between {np.quantile(column, 0.25):.4g} and {np.quantile(column, 0.75):.4g}). Its standard "
            f"deviation, the unit in which a network sees it, is {spread:.3g} times the width of the other "
            f"values, which are pressed together. {_remedy(column, variable)}"
        )
    return sentences


def check_far_values(values: np.ndarray, variables: Sequence[Variable], rows: np.ndarray) -> None:
    """Raise `DataError` for single values so far away that a network could not tell the others apart."""
    for variable, column in zip(variables, values.T, strict=True):
        distance, spread = _heaviness(column, variable)
        if spread < HOPELESS:
            continue
        far = np.flatnonzero(distance > 0.1 * distance.max())
        low, high = np.quantile(column, [0.25, 0.75])
        raise DataError(
            f"The column '{variable.name}' has values that are too far from the others",
            expected=f"values comparable to its middle half, {low:.4g} to {high:.4g}",
            found=_cells(column, far, rows),
            suggestion=_remedy(column, variable),
        )


def _cells(column: np.ndarray, places: np.ndarray, rows: np.ndarray | None) -> str:
    """Return values with their row numbers from 1, the largest first, such as "1e+30 in row 7"."""
    order = places[np.argsort(-np.abs(column[places] - np.median(column)), kind="stable")]
    texts = [f"{column[i]:.4g} in row {int(i if rows is None else rows[i]) + 1}" for i in order[:3]]
    more = f" and {len(order) - 3} more" if len(order) > 3 else ""
    return ", ".join(texts) + more


def _remedy(column: np.ndarray, variable: Variable) -> str:
    mend = "Mend such cells or leave them empty if they are faults"
    if variable.scale != "linear":
        return mend + "."
    if column.min() > 0:
        return mend + f"; if they are right, set log=['{variable.name}'], which learns the logarithm."
    return (
        mend
        + f"; if they are right, set robust=['{variable.name}'], which learns far values by their logarithm."
    )


def kind_notes(values: np.ndarray, variables: Sequence[Variable], width: int, rows: np.ndarray) -> list[str]:
    """Return a sentence for each column that is learned as another kind than its values suggest.

    These are columns of x, the first ``width``, with a few different values that are learned as continuous,
    and columns with codes for missing values or with dates written as whole numbers.
    """
    notes = _copies(values, variables, width)
    for i, (variable, column) in enumerate(zip(variables, values.T, strict=True)):
        if variable.categories:
            notes += _empty_categories(column, variable)
            continue
        notes += _codes(column, variable, rows)
        if variable.levels or variable.period or variable.scale == "log":
            continue
        if i < width and len(np.unique(column[:1000])) <= _FEW_LEVELS:
            notes += _few_values(column, variable.name)
        notes += _written_dates(column, variable.name)
    return notes


def _copies(values: np.ndarray, variables: Sequence[Variable], width: int) -> list[str]:
    """Return sentences for columns of x that stand in y too; a run itself tells of rows that are copies."""
    notes = [
        f"'{variables[i].name}' of x and '{variables[j].name}' of y are equal in every row: what is to be "
        "inferred is observed."
        for i in range(width)
        for j in range(width, len(variables))
        if np.array_equal(values[:8, i], values[:8, j]) and np.array_equal(values[:, i], values[:, j])
    ]
    return notes


def _empty_categories(column: np.ndarray, variable: Variable) -> list[str]:
    """Return a sentence where most categories of a column occur in no row, as with the codes 10, 20, 30."""
    present = np.unique(column)
    if variable.labels or 2 * len(present) >= variable.categories:
        return []
    codes = ", ".join(f"{value:g}" for value in present[:6]) + (", …" if len(present) > 6 else "")
    return [
        f"'{variable.name}' has {variable.categories} categories, 0 to {variable.categories - 1}, of which "
        f"{len(present)} occur ({codes}). Number them 0 to {len(present) - 1}, or make them texts, as in "
        f"table[{variable.name!r}].astype('str').astype('category'), to have no others."
    ]


def _few_values(column: np.ndarray, name: str) -> list[str]:
    levels = np.unique(column)
    whole = bool((levels == np.round(levels)).all()) and levels.max() - levels.min() <= _MOST_LEVELS
    if len(levels) > 2 and not (whole and len(levels) <= _FEW_LEVELS):
        return []
    if len(levels) > 2:
        return [
            f"'{name}' has {len(levels)} different whole numbers and is learned as a continuous quantity, "
            f"so that samples lie between them. Set whole=['{name}'] for whole numbers, or "
            f"categories=['{name}']."
        ]
    codes = whole and 0 <= levels[0] and levels[1] < 10
    number = "" if codes else "number them 0 and 1, and "
    return [
        f"'{name}' has only the values {levels[0]:g} and {levels[1]:g}, and is learned as a continuous "
        f"quantity, so that samples lie between them. To learn their probabilities, {number}set "
        f"categories=['{name}']."
    ]


def _codes(column: np.ndarray, variable: Variable, rows: np.ndarray) -> list[str]:
    """Return a sentence where an outermost value is a usual code of missing values, far from the others."""
    for code in {float(column.min()), float(column.max())} & _CODES:
        others = column[column != code]
        if len(others) < 2 or np.isclose(others, code).any():
            continue
        gap, spread = np.abs(others - code).min(), others.max() - others.min()
        if gap > max(spread, 1.0) and not _CODES & {float(others.min()), float(others.max())} - {code}:
            places = np.flatnonzero(column == code)
            where = f"in row {rows[places[0]] + 1}" + (
                f" and {len(places) - 1} more" if len(places) > 1 else ""
            )
            return [
                f"'{variable.name}' has the value {code:g} {where}, which often stands for a missing one, "
                f"and its other values lie between {others.min():.4g} and {others.max():.4g}. Leave such "
                "cells empty if it does."
            ]
    return []


def _written_dates(column: np.ndarray, name: str) -> list[str]:
    """Return a sentence for dates written as whole numbers, such as 20241231."""
    if not (19_000_101 <= column.min() and column.max() <= 21_001_231) or (column != np.round(column)).any():
        return []
    month, day = column // 100 % 100, column % 100
    if ((month < 1) | (month > 12) | (day < 1) | (day > 31)).any():
        return []
    return [
        f"'{name}' looks like dates written as whole numbers, such as {column[0]:.0f}, and is learned as "
        "that number. Write them as 2024-12-31 to have days."
    ]
