"""Labels of the views' Datasets: axes for a pair of variables, point clouds, rounded numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import SpecError, unknown
from workbench.core.variable import Variable
from workbench.snapshots.base import VIEWS

if TYPE_CHECKING:
    import xarray as xr

    from workbench.problems import Problem
    from workbench.snapshots.snapshot import Snapshot

    SnapshotLike: TypeAlias = "Snapshot | Blank"
    Windows: TypeAlias = tuple[tuple[float, ...], ...]

#: Largest number of points of a cloud; more would hide each other.
POINTS = 2000
#: Plotted range of an axis for which the problem gives none.
UNKNOWN_WINDOW = (-3.0, 3.0)


@dataclass(frozen=True)
class Blank:
    """Stand-in for a snapshot, for views that are shown before the first step or without a training run."""

    x: tuple[Variable, ...] = ()
    y: tuple[Variable, ...] = ()
    window: Windows = ()
    observation_window: Windows = ()
    iteration: int = 0
    steps: int = 0
    records: tuple = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def blank(problem: Problem | Snapshot | None = None) -> Blank:
    """Return a stand-in for a snapshot, without arrays, with variables and plotted ranges of ``problem``."""
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
    """One axis of a plot: column of the data (None: points are spread evenly), label, unit and range."""

    column: int | None
    name: str
    label: str
    unit: str
    low: float
    high: float


#: Vertical axis where there is a single variable: it only spreads the points, so that fewer overlap.
SPREAD = Axis(None, "spread", "spread for the eye", "", 0.0, 1.0)


def subscript(number: int) -> str:
    """Return a number in subscript digits: ``12`` -> ``₁₂``."""
    return "".join(chr(0x2080 + int(digit)) for digit in str(number))


def axis(variables: tuple[Variable, ...], windows: Windows, column: int, letter: str) -> Axis:
    """Return the axis of variable number ``column``, with its label and plotted range from ``windows``.

    Where ``variables`` is empty the label is ``letter`` with a subscript. Raises `SpecError` for a number out
    of range.
    """
    if not variables:
        return Axis(column, f"{letter}{column + 1}", letter + subscript(column + 1), "", *UNKNOWN_WINDOW)
    if not 0 <= column < len(variables):
        raise SpecError(
            f"There is no variable number {column} to draw",
            expected=f"0 to {len(variables) - 1}",
            found=str(column),
        )
    variable = variables[column]
    low, high = windows[column] if column < len(windows) else UNKNOWN_WINDOW
    return Axis(column, variable.name, variable.label, variable.unit, float(low), float(high))


def pair_axes(
    variables: tuple[Variable, ...], windows: Windows, pair: tuple[int, int], letter: str
) -> tuple[Axis, Axis]:
    """Return the axes of a pair of variables; a single one is horizontal, its points spread vertically."""
    horizontal = axis(variables, windows, 0 if len(variables) == 1 else pair[0], letter)
    if len(variables) == 1:
        return horizontal, SPREAD
    return horizontal, axis(variables, windows, pair[1], letter)


def axis_attrs(horizontal: Axis, vertical: Axis) -> dict[str, Any]:
    """Return labels and ranges of both axes as Dataset attributes that every file format can hold."""
    return {
        "horizontal_label": horizontal.label,
        "vertical_label": vertical.label,
        "horizontal_window": [horizontal.low, horizontal.high],
        "vertical_window": [vertical.low, vertical.high],
    }


def rows(snapshot: SnapshotLike, name: str, limit: int | None = POINTS) -> np.ndarray:
    """Return the first ``limit`` rows of a snapshot's array, (n, columns) float64; (0, 0) if it has none."""
    if name not in snapshot.arrays:
        return np.empty((0, 0))
    table = np.asarray(snapshot.arrays[name], dtype=np.float64)
    table = table.reshape(-1, 1) if table.ndim == 1 else table
    return table if limit is None else table[:limit]


def column(table: np.ndarray, axis: Axis) -> np.ndarray:
    """Return the table's column (n,) for an axis; for `SPREAD`, even and fixed numbers (van der Corput)."""
    if axis.column is not None:
        return table[:, axis.column] if table.shape[1] > axis.column else np.empty(0)
    value, weight, index = np.zeros(len(table)), 0.5, np.arange(len(table))
    while index.any():
        value, weight, index = value + weight * (index % 2), weight / 2, index // 2
    return 0.1 + 0.8 * value


def cloud(prefix: str, table: np.ndarray, horizontal: Axis, vertical: Axis) -> dict[str, Any]:
    """Return a point cloud: variables ``<prefix>_horizontal`` and ``<prefix>_vertical`` (<prefix>_draw,)."""
    dimension = f"{prefix}_draw"
    return {
        f"{prefix}_{side}": (dimension, column(table, a), {"long_name": a.label, "units": a.unit or "1"})
        for side, a in (("horizontal", horizontal), ("vertical", vertical))
    }


def common_attrs(snapshot: SnapshotLike, view: str, title: str) -> dict[str, Any]:
    """Return the attributes of every view's Dataset: key of the view, title and iteration."""
    return {"view": view, "title": title, "iteration": int(snapshot.iteration)}


def round_up(value: float) -> float:
    """Round up to 1, 2, 5 or 10 times a power of ten, so that the range of a live axis rarely changes."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((s * power for s in (1.0, 2.0, 5.0) if s * power >= value * (1 - 1e-9)), 10.0 * power)


def number_text(values: np.ndarray) -> str:
    """Format a point for a title, ``1.5`` or ``(1.5, 0)``, with at most three components."""
    components = [f"{v:.3g}".replace("-", "−") for v in np.atleast_1d(values)[:3]]
    text = ", ".join(components) + (", …" if np.size(values) > 3 else "")
    return text if np.size(values) == 1 else f"({text})"


@public
def empty(view: str, problem: Problem | Snapshot | None = None, **settings: Any) -> xr.Dataset:
    """Return the Dataset of ``view`` before the first step, with the axes of ``problem`` where one is given.

    Parameters
    ----------
    view : key of a view; anything else raises `SpecError`.
    problem : a Problem or a Snapshot, or None for neutral axes.
    settings : passed to the view (``pair``, or ``steps`` for the losses).
    """
    views = VIEWS.shown()
    if view not in views:
        raise unknown(VIEWS.noun, view, views)
    return views[view](blank(problem), **settings)
