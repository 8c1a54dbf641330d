"""Decimal points and commas, and separators of thousands, in numbers that are texts.

``1.234`` is a number between one and two, or twelve hundred and thirty-four. What tells is the rest of the
column (``0.5`` or ``1.234,5``), then the other columns of the file; without either it is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_MARKS = (".", ",")
#: Whole numbers in groups of three digits by a mark, and in India by commas; with fraction after the other.
_GROUPS = {
    ".": r"[1-9]\d{0,2}(?:\.\d{3})+",
    ",": r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3})",
}
_GROUPED = {mark: re.compile(rf"^[-+]?{_GROUPS[mark]}$") for mark in _MARKS}
_DECIMAL = {
    mark: re.compile(rf"^[-+]?(\d+{re.escape(mark)}\d*|{re.escape(mark)}\d+)([eEdDqQ][-+]?\d+)?$")
    for mark in _MARKS
}
_BOTH = {
    ".": re.compile(rf"^[-+]?{_GROUPS[',']}\.\d*([eE][-+]?\d+)?$"),
    ",": re.compile(rf"^[-+]?{_GROUPS['.']},\d*([eE][-+]?\d+)?$"),
}
_WHOLE = re.compile(r"^[-+]?\d+([eE][-+]?\d+)?$")
_SHORT_WHOLE = re.compile(r"^[-+]?\d{1,3}$")


@dataclass(frozen=True)
class Writing:
    """Decimal mark and separator of a table, as far as they are certain.

    Parameters
    ----------
    decimal : the decimal mark, "both" where columns differ, "" where nothing tells.
    separator : the separator of the columns of a file of text; "" where there is none.
    """

    decimal: str = ""
    separator: str = ""


def certain_mark(text: pd.Series) -> str:
    """Return the decimal mark that texts can only have: "." or ",", "both", or "" where nothing tells."""
    text = text.dropna()
    has_mark = text.str.contains("[.,]", regex=True)
    text = text[has_mark.to_numpy(dtype=bool, na_value=False)].drop_duplicates()
    certain = []
    for mark, other in (_MARKS, _MARKS[::-1]):
        alone = text.str.match(_DECIMAL[mark]) & ~text.str.match(_GROUPED[mark])
        several = text.str.match(_GROUPED[other]) & (text.str.count(re.escape(other)) > 1)
        if bool((alone | several | text.str.match(_BOTH[mark])).any()):
            certain.append(mark)
    return "both" if len(certain) > 1 else "".join(certain)


def together(marks: Iterable[str]) -> str:
    """Return the mark that several columns share, "both" where they differ, "" where nothing tells."""
    different = {mark for mark in marks if mark}
    return "both" if len(different) > 1 else "".join(different)


def decimal_mark(text: pd.Series, writing: Writing) -> str:
    """Return the decimal mark of a column of texts, or "" where it can be read in two ways.

    Whole numbers of up to three digits beside ``1.234`` speak for separators of thousands; where there are
    none, it is the mark that files with such a separator of columns have: the comma with semicolons.
    """
    mark = certain_mark(text)
    if mark:
        return "" if mark == "both" else mark
    groups = [mark for mark in _MARKS if bool(text.str.match(_GROUPED[mark]).fillna(False).any())]
    if len(groups) != 1:
        return "" if groups else "."
    if writing.decimal:
        return groups[0] if writing.decimal == groups[0] else ""
    if bool(text.str.match(_SHORT_WHOLE).fillna(False).any()):
        return ""
    usual = "," if writing.separator == ";" else "."
    return groups[0] if groups[0] == usual else ""


def without_groups(text: pd.Series, decimal: str) -> pd.Series:
    """Return texts with decimal points and without separators of thousands."""
    other = "," if decimal == "." else "."
    groups = text.str.match(_GROUPED[other]) | text.str.match(_BOTH[decimal])
    text = text.mask(groups.fillna(False), text.str.replace(other, "", regex=False))
    if decimal == ".":
        return text
    commas = text.str.match(_DECIMAL[","]).fillna(False)
    return text.mask(commas, text.str.replace(",", ".", regex=False))


def is_two_ways(value: str) -> bool:
    """True for a number whose marks can be decimal or separate thousands."""
    patterns = (*_GROUPED.values(), *_DECIMAL.values(), *_BOTH.values())
    return any(mark in value for mark in _MARKS) and any(pattern.match(value) for pattern in patterns)


def is_grouped_number(value: str) -> bool:
    """True for a number, with decimal marks and separators of thousands or without."""
    return bool(_WHOLE.match(value)) or is_two_ways(value)


def two_ways_hint(value: str) -> str:
    """Return what to try for a number that can be read in two ways."""
    marks = " and ".join(noun for mark, noun in ((".", "points"), (",", "commas")) if mark in value)
    return f"write decimal points, and no separators of thousands: its {marks} can be read in two ways"
