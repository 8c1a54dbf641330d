"""Columns as they are read, before they become numbers: names, units, and the choice of columns by name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.core.errors import DataError, unknown
from workbench.core.grids import Coordinates, checked_coordinates
from workbench.problems.user.decimals import Writing

if TYPE_CHECKING:
    import pandas as pd

MAXIMUM_BYTES = 2 * 2**30
MAXIMUM_COLUMNS = 10_000
_UNIT = re.compile(r"^(?P<name>.+?)\s*\[(?P<unit>[^\[\]]*)\]$", re.DOTALL)
_COMPONENT = re.compile(r"^(?P<name>.+)_(?P<number>0|[1-9]\d*)$", re.DOTALL)


@dataclass(frozen=True)
class RawTable:
    """Columns as read from a source, with what the source itself states about them.

    Parameters
    ----------
    frame : the columns by name.
    units, descriptions : texts by name of the column.
    labels : texts of the categories 0, 1, 2, … of a column that holds those numbers.
    coordinates : place of a component of a vector on its grid, by name of the column.
    notes : what was assumed in reading, as sentences.
    writing : how the numbers are written, where they are texts.
    """

    frame: pd.DataFrame
    units: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    writing: Writing = Writing()
    coordinates: dict[str, Coordinates] = field(default_factory=dict)


def check_size(size: int, noun: str) -> None:
    """Raise `DataError`, which names the ``noun``, if ``size`` in bytes is above `MAXIMUM_BYTES`."""
    if size > MAXIMUM_BYTES:
        raise DataError(
            f"{noun} is too large",
            expected=f"at most {MAXIMUM_BYTES / 2**30:g} GiB",
            found=f"{size / 2**30:.1f} GiB",
            suggestion="keep fewer rows or columns",
        )


def choose(
    heading: Sequence[str], columns: Iterable[str], *, plain: bool = False
) -> tuple[list[int], list[tuple[str, str]]]:
    """Return positions in ``heading`` and (name, unit) of the ``columns``, or of all if none is named.

    A name that is no column stands for all of ``name_0``, ``name_1``, … With ``plain`` a heading is the name
    itself, whatever brackets it has. Raises `DataError` for names that are missing or ambiguous, and for a
    column named twice.
    """
    heading, columns = [same_spelling(h) for h in heading], [same_spelling(c) for c in columns]
    if len(heading) > MAXIMUM_COLUMNS:
        raise DataError(
            "The table has too many columns", expected=f"at most {MAXIMUM_COLUMNS}", found=str(len(heading))
        )
    _check_duplicates(heading, columns)
    names = [(name, "") if plain else bare_name(name) for name in heading]
    bare = [n for n, _ in names]
    if len(set(bare)) < len(bare):  # 'a [m]' and 'a [s]' stay apart under their full headings
        names = [(h, "") if bare.count(n) > 1 else (n, u) for h, (n, u) in zip(heading, names, strict=True)]
    if not columns:
        return list(range(len(heading))), names
    places = {name: i for i, name in enumerate(heading)} | {n: i for i, (n, _) in enumerate(names)}
    positions = []
    for name in columns:
        place_name = next((n for n in (name, bare_name(name)[0]) if n in places), "")
        run = [places[place_name]] if place_name else _components(name, places)
        if not run:
            options = ", ".join(n for n, _ in names[:20]) + (", …" if len(names) > 20 else "")
            raise unknown("column", name, places, DataError, owner="The table", expected=options)
        positions += run
    if len(set(positions)) < len(positions):
        again = next(names[p][0] for i, p in enumerate(positions) if p in positions[:i])
        raise DataError(f"The column '{again}' was chosen twice", expected="each column once")
    return positions, [names[i] for i in positions]


def same_spelling(name: str) -> str:
    """Return a name in the one of Unicode's spellings that most programs write: é as one character."""
    return unicodedata.normalize("NFC", name)


def _check_duplicates(heading: list[str], columns: list[str]) -> None:
    """Raise `DataError` for two headings of the same name, where that name is in use."""
    if len(set(heading)) == len(heading):
        return
    clash = [
        name
        for name in sorted({name for name in heading if heading.count(name) > 1})
        if not columns or name in columns or bare_name(name)[0] in columns
    ]
    if clash:
        raise DataError(
            "Two columns of the table have the same name",
            found=", ".join(map(repr, clash[:5])),
            suggestion="rename one of them",
        )


def _components(name: str, places: Mapping[str, int]) -> list[int]:
    """Return the positions of ``name_0``, ``name_1``, … in order; empty where there are not at least two."""
    run: list[int] = []
    while f"{name}_{len(run)}" in places:
        run.append(places[f"{name}_{len(run)}"])
    return run if len(run) > 1 else []


def parent_name(name: str) -> str:
    """Return the name of the vector that ``name_3`` is a component of, or ``name`` itself."""
    match = _COMPONENT.match(name)
    return match["name"] if match else name


def bare_name(heading: str) -> tuple[str, str]:
    """Return name and unit of a heading such as ``height [m]``; the unit is empty if none is given.

    A number in brackets is an index, as in ``theta[0]``, and belongs to the name.
    """
    match = _UNIT.match(heading)
    if not match or match["unit"].strip().isdigit():
        return heading, ""
    return match["name"], match["unit"].strip()


def named(frame: pd.DataFrame, names: list[tuple[str, str]]) -> RawTable:
    """Return ``frame`` as a `RawTable` whose columns have the (name, unit) pairs ``names``."""
    frame = frame.set_axis([n for n, _ in names], axis=1).reset_index(drop=True)
    return RawTable(frame, {n: unit for n, unit in names if unit})


def add_attributes(raw: RawTable, name: str, attributes: Mapping[str, Any]) -> None:
    """Set unit, description and labels of the column ``name`` from its attributes, where they are given."""
    for key, texts in (("units", raw.units), ("long_name", raw.descriptions)):
        if isinstance(attributes.get(key), str) and attributes[key].strip() not in ("", "1"):
            texts[name] = attributes[key].strip()
    if attributes.get("coordinates"):
        raw.coordinates[name] = checked_coordinates(attributes["coordinates"])
    labels = attributes.get("labels")
    if isinstance(labels, (list, tuple)) and all(isinstance(label, str) for label in labels) and labels:
        raw.labels[name] = tuple(labels)
