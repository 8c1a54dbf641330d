"""Rows of labelled sources, such as tables with an index, brought into one order by their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Part:
    """One array of a source: its role, its name in the source, and what holds the numbers."""

    role: str
    name: str
    value: Any

    @property
    def noun(self) -> str:
        return f"the {self.role}" + (f" '{self.name}'" if self.name else "")


def align_rows(parameters: Any, results: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """Return parameters and results with their rows in one order, and sentences on what was reordered.

    Tables and Series of pandas are matched by their index, arrays of xarray by the coordinate of the
    dimension that they share, which is moved to the front. What has no labels is taken in its own order.
    Raises `DataError` where labels differ, or stand twice and not in the same order.
    """
    sources = {"parameters": parameters, "results": results}
    parts = [part for role, source in sources.items() for part in _parts(role, source)]
    arrays = [part.value for part in parts if _is_data_array(part.value)]
    rows = _row_dimension(arrays)
    if rows:
        parts = [
            _Part(p.role, p.name, p.value.transpose(rows, ...)) if _is_data_array(p.value) else p
            for p in parts
        ]
    first: tuple[_Part, pd.Index] | None = None
    arrays_in_order, moves = [], []
    for part in parts:
        labels = _labels(part.value)
        if labels is None:
            arrays_in_order.append(part)
            continue
        if first is None:
            first = part, labels
        places = _places(*first, part, labels)
        if places is not None:
            part = _Part(part.role, part.name, _take(part.value, places))
            moves.append(part.noun)
        arrays_in_order.append(part)
    sentences = ()
    if moves and first is not None:
        more = f" and {len(moves) - 1} more" if len(moves) > 1 else ""
        sentences = (
            f"The rows of {moves[0]}{more} were put into the order of {first[0].noun} by their labels (the "
            "index of a table, the coordinate of an array).",
        )
    return (
        _rejoin(parameters, arrays_in_order, "parameters"),
        _rejoin(results, arrays_in_order, "results"),
        sentences,
    )


def _parts(role: str, source: Any) -> list[_Part]:
    """Return the arrays of a source: those of a mapping or Dataset, else the source itself."""
    if isinstance(source, Mapping) or hasattr(source, "data_vars"):
        return [_Part(role, str(name), source[name]) for name in source]
    return [_Part(role, "", source)]


def _rejoin(source: Any, parts: list[_Part], role: str) -> Any:
    own = [part for part in parts if part.role == role]
    if isinstance(source, Mapping) or hasattr(source, "data_vars"):
        return {part.name: part.value for part in own}
    return own[0].value


def _is_data_array(value: Any) -> bool:
    return hasattr(value, "dims") and hasattr(value, "coords") and hasattr(value, "transpose")


def _row_dimension(arrays: list[Any]) -> str:
    """Return the dimension that all arrays share, the first one of an array if possible; "" for none."""
    if not arrays:
        return ""
    common = [d for d in arrays[0].dims if all(d in array.dims for array in arrays)]
    leading = [array.dims[0] for array in arrays if array.dims and array.dims[0] in common]
    return (leading or common or [""])[0]


def _labels(value: Any) -> pd.Index | None:
    """Return the labels of the rows of a table, Series or array; None where it has none."""
    if _is_data_array(value):
        return value.indexes.get(value.dims[0]) if value.dims else None
    index = getattr(value, "index", None)
    return index if hasattr(index, "get_indexer") else None


def _places(first: _Part, labels: pd.Index, part: _Part, own: pd.Index) -> np.ndarray | None:
    """Return the places of ``labels`` in the ``own`` labels of a part; None where they are the same ones.

    Raises `DataError` where one is not a permutation of the other.
    """
    if len(labels) != len(own) or own.equals(labels):
        return None  # different lengths are refused with the numbers of rows
    trouble, places = "", np.zeros(0, dtype=int)
    if not (labels.is_unique and own.is_unique):
        index = labels if own.is_unique else own
        label = index[index.duplicated()][0]
        trouble = f"the label {_text(label)} more than once, and rows in different orders"
    else:
        places = own.get_indexer(labels)
        if (missing := places < 0).any():
            label = labels[int(missing.argmax())]
            trouble = f"no row {_text(label)} in {part.noun}, and {int(missing.sum())} such labels in all"
    if trouble:
        raise DataError(
            f"The rows of {first.noun} and {part.noun} have different labels",
            expected="the same labels, in any order",
            found=trouble,
            suggestion="where row i belongs to row i, pass the values without labels, as in table.to_numpy()",
        )
    return places


def _text(label: Any) -> str:
    return repr(label) if isinstance(label, str) else str(label)


def _take(value: Any, places: np.ndarray) -> Any:
    if _is_data_array(value):
        return value.isel({value.dims[0]: places})
    return value.iloc[places]
