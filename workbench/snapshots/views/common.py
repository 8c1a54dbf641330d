"""What the views share: axes of a pair of variables, tables of points, numbers rounded for the eye."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.core.errors import SpecError
from workbench.core.variable import Variable

#: At most so many points of a cloud go to the screen; more would only hide each other.
POINTS = 2000
#: Used where nothing is known of the range of an axis.
UNKNOWN_WINDOW = (-3.0, 3.0)


@dataclass(frozen=True)
class Blank:
    """Stands for a snapshot before there is one."""

    x: tuple = ()
    y: tuple = ()
    window: tuple = ()
    observation_window: tuple = ()
    iteration: int = 0
    records: tuple = ()
    arrays: dict = field(default_factory=dict)


def blank(problem: Any = None) -> Blank:
    """A snapshot without numbers, with the variables and windows of ``problem``."""
    if problem is None:
        return Blank()
    return Blank(
        x=tuple(problem.x),
        y=tuple(problem.y),
        window=tuple(problem.window),
        observation_window=tuple(problem.observation_window),
    )


@dataclass(frozen=True)
class Axis:
    """One axis of a plot: which column (None: points are spread evenly), label and range."""

    column: int | None
    name: str
    label: str
    unit: str
    low: float
    high: float


#: A single variable leaves the second axis free: its points are spread along it, so that they can be seen.
SPREAD = Axis(None, "spread", "spread for the eye", "", 0.0, 1.0)


def subscript(number: int) -> str:
    """``12`` -> ``₁₂``."""
    return "".join(chr(0x2080 + int(digit)) for digit in str(number))


def axis(variables: tuple, windows: tuple, column: int, letter: str) -> Axis:
    """The axis of one column. Without variables (a blank) a neutral one; raises SpecError out of range."""
    if not variables:
        return Axis(column, f"{letter}{column + 1}", letter + subscript(column + 1), "", *UNKNOWN_WINDOW)
    if not 0 <= column < len(variables):
        raise SpecError(
            f"There is no variable number {column} to draw",
            expected=f"0 to {len(variables) - 1}",
            found=str(column),
        )
    variable: Variable = variables[column]
    low, high = windows[column] if column < len(windows) else UNKNOWN_WINDOW
    return Axis(column, variable.name, variable.label, variable.unit, float(low), float(high))


def pair_axes(variables: tuple, windows: tuple, pair: tuple[int, int], letter: str) -> tuple[Axis, Axis]:
    """Both axes. A single variable is drawn along the horizontal, its points spread along the vertical."""
    horizontal = axis(variables, windows, 0 if len(variables) == 1 else pair[0], letter)
    if len(variables) == 1:
        return horizontal, SPREAD
    return horizontal, axis(variables, windows, pair[1], letter)


def axis_attrs(horizontal: Axis, vertical: Axis) -> dict[str, Any]:
    """Labels and fixed ranges as attributes that every file format can hold."""
    return {
        "horizontal_label": horizontal.label,
        "vertical_label": vertical.label,
        "horizontal_window": [horizontal.low, horizontal.high],
        "vertical_window": [vertical.low, vertical.high],
    }


def rows(snapshot: Any, name: str, limit: int | None = POINTS) -> np.ndarray:
    """The array ``name`` of the snapshot as (n, columns) float64, shortened; (0, 0) where there is none."""
    found = snapshot.arrays.get(name)
    if found is None:
        return np.empty((0, 0))
    table = np.asarray(found, dtype=np.float64)
    table = table.reshape(-1, 1) if table.ndim == 1 else table
    return table if limit is None else table[:limit]


def column(table: np.ndarray, axis: Axis) -> np.ndarray:
    """One column as (n,); for the spread axis a van der Corput sequence: even, and the same every time."""
    if axis.column is not None:
        return table[:, axis.column] if table.shape[1] > axis.column else np.empty(0)
    value, weight, index = np.zeros(len(table)), 0.5, np.arange(len(table))
    while index.any():
        value, weight, index = value + weight * (index % 2), weight / 2, index // 2
    return 0.1 + 0.8 * value


def cloud(prefix: str, table: np.ndarray, horizontal: Axis, vertical: Axis) -> dict[str, Any]:
    """Variables ``<prefix>_horizontal`` and ``<prefix>_vertical`` over the dimension ``<prefix>_draw``."""
    dimension = f"{prefix}_draw"
    return {
        f"{prefix}_{side}": (dimension, column(table, a), {"long_name": a.label, "units": a.unit or "1"})
        for side, a in (("horizontal", horizontal), ("vertical", vertical))
    }


def common_attrs(snapshot: Any, view: str, title: str) -> dict[str, Any]:
    """Attributes that every view carries."""
    return {"view": view, "title": title, "iteration": int(snapshot.iteration)}


def round_up(value: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten: a scale that moves in visible, rare steps."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((s * power for s in (1.0, 2.0, 5.0) if s * power >= value * (1 - 1e-9)), 10.0 * power)


def number_text(values: np.ndarray) -> str:
    """A point for a title: ``1.5`` or ``(1.5, 0)``, at most three components."""
    shown = [f"{v:.3g}".replace("-", "−") for v in np.atleast_1d(values)[:3]]
    text = ", ".join(shown) + (", …" if np.size(values) > 3 else "")
    return text if np.size(values) == 1 else f"({text})"
