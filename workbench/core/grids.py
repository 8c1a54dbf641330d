"""Vectors on a grid: the numbers of an observation are taken at the coordinates of its variables.

Variables ``profile_0``, ``profile_1``, … that come from an array with coordinates remember them, so that an
observation in another order is brought into theirs, and one on another grid is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.core.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy as np

    from workbench.core.variable import Variable

#: Place of a component on the grid: its coordinate in each dimension that has some.
Coordinates = tuple[tuple[str, float | str], ...]


def coordinate(label: Any) -> float | str:
    """Return a label of an array's dimension as a number or a text."""
    label = label.item() if getattr(getattr(label, "dtype", None), "kind", "") in tuple("biuf") else label
    return float(label) if isinstance(label, int | float) else str(label)


def checked_coordinates(values: Any) -> Coordinates:
    """Return coordinates from pairs (dimension, number or text); raises `TypeError` or `ValueError`."""
    return tuple((str(dimension), coordinate(label)) for dimension, label in values)


def is_stored_coordinate(pair: Any) -> bool:
    """Test for a pair as a file holds it: a dimension's name, and a number or a short text."""
    if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
        return False
    return isinstance(pair[1], str | int | float) and not isinstance(pair[1], bool) and len(str(pair)) <= 2000


def grid_parent(variables: Sequence[Variable]) -> tuple[str, tuple[str, ...]] | None:
    """Return name and dimensions of the vector whose components the variables are; None for others."""
    parents = {(v.name.rpartition("_")[0], tuple(d for d, _ in v.coordinates)) for v in variables}
    parent = next(iter(parents)) if len(parents) == 1 else ("", ())
    return parent if parent[0] and parent[1] else None


def at_coordinates(
    array: np.ndarray,
    dims: tuple[str, ...],
    coords: Mapping[str, Any],
    variables: Sequence[Variable],
    subject: str,
    error: type[WorkbenchError],
) -> tuple[list[np.ndarray], tuple[str, ...]] | None:
    """Return the part of an array at the coordinates of each variable, and the dimensions that remain.

    None where the array does not have the variables' dimensions with labels. Raises ``error`` for an array
    on a grid that lacks one of the coordinates.
    """
    grid = [d for d, _ in variables[0].coordinates]
    if not grid or any(d not in dims or d not in coords for d in grid):
        return None
    if any([d for d, _ in v.coordinates] != grid for v in variables):
        return None
    labels = {d: [coordinate(label) for label in coords[d]] for d in grid}
    parts = []
    for variable in variables:
        places = {d: _place(labels[d], own) for d, own in variable.coordinates}
        wrong = [d for d, place in places.items() if place is None]
        if wrong:
            own = dict(variable.coordinates)[wrong[0]]
            raise error(
                f"{subject} is on another grid than '{variable.name}'",
                expected=f"a value at {wrong[0]} = {_text(own)}",
                found=f"{wrong[0]} = {', '.join(map(_text, labels[wrong[0]][:6]))}"
                + (", …" if len(labels[wrong[0]]) > 6 else ""),
                suggestion=f"interpolate it, as in data.interp({wrong[0]}=…), or give the numbers in order "
                "without coordinates where they belong to the same points",
            )
        parts.append(array[tuple(places.get(d, slice(None)) for d in dims)])
    return parts, tuple(d for d in dims if d not in grid)


def _place(labels: list[float | str], own: float | str) -> int | None:
    """Return the only place of a coordinate among labels, up to single precision; None for no such place."""
    size = max((abs(v) for v in labels if isinstance(v, float)), default=0.0)
    places = [
        i
        for i, label in enumerate(labels)
        if label == own
        or (
            isinstance(label, float)
            and isinstance(own, float)
            and math.isclose(label, own, rel_tol=1e-6, abs_tol=1e-9 * size)
        )
    ]
    exact = [i for i in places if labels[i] == own]
    places = exact or places
    return places[0] if len(places) == 1 else None


def _text(label: float | str) -> str:
    return f"{label:.10g}" if isinstance(label, float) else repr(label)
