"""Texts in CSV files that a spreadsheet would run as formulas, written so that it shows them instead.

A spreadsheet takes a cell for a formula that begins with one of a few characters, also where the file says
that it is text; such a formula can read other cells and send them away. An apostrophe before it makes it text
there, and `original_text` takes it away again. Numbers are written as they are.
(OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Beginnings of a formula, also in full width; blanks before them may be left out by a spreadsheet.
_BEGINNING = r"(?:[\t\r\n]|\s*[=+\-@＝＋－＠])"
_FORMULA = re.compile(rf"'*{_BEGINNING}")
_ESCAPED = re.compile(rf"'+{_BEGINNING}")


def escaped_text(text: str) -> str:
    """Return a text as it stands in a CSV file: with an apostrophe where it would be a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def original_text(text: str) -> str:
    """Return the text that `escaped_text` was given."""
    return text[1:] if _ESCAPED.match(text) else text


def escaped_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose headings and texts are no formulas in a spreadsheet; numbers stay as they are."""
    from pandas.api.types import is_numeric_dtype

    frame = frame.rename(columns=lambda name: escaped_text(str(name)))
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        if not is_numeric_dtype(column.dtype):
            texts = column.map(lambda cell: escaped_text(cell) if isinstance(cell, str) else cell)
            frame.isetitem(position, texts)
    return frame
