"""A study's Dataset as a table: means over repetitions, beside published numbers."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import DataError
from workbench.studies.base import STUDIES, TAGS, Column

if TYPE_CHECKING:
    import xarray as xr

_LONGEST_NOTE = 90


@public
def columns(data: xr.Dataset) -> list[Column]:
    """Return the columns that the Dataset's study declares."""
    return [Column(**values) for values in json.loads(attribute(data, "columns"))]


def attribute(data: xr.Dataset, name: str) -> Any:
    """Return an attribute of a study's Dataset. Raises `DataError` for one that comes from elsewhere."""
    if name not in data.attrs:
        raise DataError(
            "This is no result of a study",
            expected="what studies.run or studies.load gives",
            found=f"a Dataset without the attribute '{name}'",
        )
    return data.attrs[name]


@public
def rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """One JSON-ready row for each combination of coordinates other than the seed, in the grid's order.

    Keys: the coordinates, ``title``, ``status``, ``note``, ``seeds`` (number of seeds with a value), each
    column's mean over the seeds, ``NAME_spread`` (standard deviation over two or more seeds), and
    ``NAME_TAG`` for each published number. Keys without a value are left out. A mean is infinite where the
    value of a seed is, and then has no spread.
    """
    axes = [name for name in json.loads(attribute(data, "axes")) if name != "seed"]
    groups: dict[tuple, list[int]] = {}
    for i in range(data.sizes["cell"]):
        groups.setdefault(tuple(data[name].values[i].item() for name in axes), []).append(i)
    figures = json.loads(attribute(data, "published"))
    return [
        _row(data, dict(zip(axes, values, strict=True)), members, figures)
        for values, members in groups.items()
    ]


def _row(data: xr.Dataset, place: dict[str, Any], members: list[int], figures: list[dict]) -> dict[str, Any]:
    states = [str(data["status"].values[i]) for i in members]
    notes = [str(data["note"].values[i]) for i in members if str(data["note"].values[i])]
    row = place | {
        "title": str(data["title"].values[members[0]]),
        "status": next((state for state in ("failed", "waiting", "refused") if state in states), "done"),
        "note": notes[0] if notes else "",
        "seeds": states.count("done"),
    }
    for column in columns(data):
        if column.name in data:
            values = np.asarray(data[column.name].values[members], dtype=float)
            values = values[~np.isnan(values)]
            if len(values):
                row[column.name] = float(values.mean())
            if len(values) > 1 and np.isfinite(values).all():
                row[f"{column.name}_spread"] = float(values.std(ddof=1))
    for figure in figures:
        if all(place.get(name) == value for name, value in figure["row"].items()):
            row[f"{figure['column']}_{figure['tag']}"] = figure["value"]
    return row


def number(value: float | None) -> str:
    """Format a number to three significant digits; a dash where there is no value, ∞ where it is infinite."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


@public
def text(data: xr.Dataset) -> str:
    """Format a study's Dataset as text: heading, table, notes on missing cells, and the study's
    conclusions."""
    table_rows, table_columns = rows(data), columns(data)
    figures = json.loads(attribute(data, "published"))
    head, cells = [""], [[row["title"]] for row in table_rows]
    for column in table_columns:
        head.append(column.label)
        for line, row in zip(cells, table_rows, strict=True):
            spread = row.get(f"{column.name}_spread")
            line.append(number(row.get(column.name)) + (f" ± {number(spread)}" if spread else ""))
        for tag in dict.fromkeys(f["tag"] for f in figures if f["column"] == column.name):
            head.append(tag)
            for line, row in zip(cells, table_rows, strict=True):
                line.append(number(row.get(f"{column.name}_{tag}")))
    lines = [heading(data), "", *_aligned([head, *cells])]
    notes = [
        f"{row['title']}: {row['status']}. {_short(row['note'])}".rstrip()
        for row in table_rows
        if row["status"] != "done"
    ]
    tags = [f"{tag}: {TAGS[tag]}" for tag in dict.fromkeys(f["tag"] for f in figures)]
    for block in (tags, notes, _conclusions(data)):
        lines += ["", *block] if block else []
    return "\n".join(lines)


@public
def heading(data: xr.Dataset) -> str:
    """One line: title of the study, its setting (fast, middle or full), device and seconds."""
    whole = "" if attribute(data, "complete") else ", not complete"
    return (
        f"{attribute(data, 'study_title')} ({setting(data)} setting{whole}); "
        f"{attribute(data, 'device') or 'nothing measured'}; {attribute(data, 'seconds'):.0f} s"
    )


@public
def setting(data: xr.Dataset) -> str:
    """Return the size at which the study was run: "fast", "middle" where the study has one, or "full"."""
    settings = json.loads(attribute(data, "settings"))
    return next((name for name in ("fast", "middle") if settings.get(name)), "full")


def _aligned(lines: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _short(note: str) -> str:
    return note if len(note) <= _LONGEST_NOTE else note[:_LONGEST_NOTE].rsplit(" ", 1)[0] + " …"


def _conclusions(data: xr.Dataset) -> list[str]:
    if attribute(data, "study") not in STUDIES:
        return []
    study = STUDIES.make(attribute(data, "study"), **json.loads(attribute(data, "settings")))
    return study.conclusions(data)
