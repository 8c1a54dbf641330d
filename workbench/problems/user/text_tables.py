"""Tables that are text: CSV and its relatives, with blanks, comment lines, decimal commas, other encodings.

The first lines decide how a file is written; pandas reads it. A heading may stand in the last comment line
before the numbers, as `numpy.savetxt` writes it.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import DataError
from workbench.problems.user import raw_table
from workbench.problems.user.content import refuse_content
from workbench.problems.user.decimals import Writing, certain_mark, together
from workbench.problems.user.raw_table import RawTable, choose, named
from workbench.problems.user.text_forms import COMMENT, MISSING, Form, fields, form_of
from workbench.problems.user.totals import totals_note

if TYPE_CHECKING:
    import pandas as pd

COMPRESSIONS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_COMMENT_LINE = re.compile(rb"^[ \t]*(?:#(?![A-Z]+[/A-Z0]*[!?]|N/?A\b|NV\b)|%|//).*\n?", re.MULTILINE)
_END_COMMENT = re.compile(rb"[ \t]#.*$", re.MULTILINE)
#: Rows whose texts are looked at first for their decimal mark.
_HEAD = 2000


def read_text(path: Path, columns: list[str]) -> RawTable:
    """Read a table from a file of text, compressed or not. Raises `DataError` where that is not possible."""
    data, encoding = _encoded(_content(path), path.name)
    form = form_of(data, encoding, path.name, columns)
    positions, names = choose(form.heading, columns)
    rows, notes = _rows(data[form.start :], form, encoding)
    frame = _frame(rows, form, encoding, path.name, data)
    frame, writing = _with_marks(frame, rows, form, encoding)
    notes += totals_note(frame, form.heading)
    raw = named(frame[positions], names)
    for position, (name, _) in zip(positions, names, strict=True):
        if form.units and form.units[position]:
            raw.units.setdefault(name, form.units[position])
    return RawTable(raw.frame, raw.units, raw.descriptions, raw.labels, (*form.notes, *notes), writing)


def _options(form: Form, encoding: str) -> dict[str, Any]:
    # by position: pandas renames columns of the same name, and with names it drops values of rows too long
    return {
        "sep": form.separator or r"\s+",
        "header": None,
        "encoding": encoding,
        "skipinitialspace": True,
        "low_memory": False,
        "na_values": list(MISSING),
    }


def _frame(rows: bytes, form: Form, encoding: str, name: str, data: bytes) -> pd.DataFrame:
    """Return the rows with a column for each name; raises `DataError` for rows of other lengths."""
    import pandas as pd

    width = len(form.heading)
    if not rows.strip():
        raise DataError(
            f"The table '{name}' has names of columns and no rows", expected="rows of numbers below them"
        )
    try:
        frame = pd.read_csv(io.BytesIO(rows), decimal=form.decimal, **_options(form, encoding))
    except pd.errors.ParserError as error:
        if "EOF inside string" not in str(error):
            _refuse_rows(data, form, encoding, name)
            raise
        raise DataError(
            f"The table '{name}' could not be read",
            expected="two quotation marks around each quoted text",
            found="one that is opened and not closed",
            suggestion="close it, or take the quotation marks out",
        ) from error
    if frame.shape[1] > width and bool(frame.iloc[:, width:].isna().all(axis=None)):
        frame = frame.iloc[:, :width]  # a separator at the end of each row
    if frame.shape[1] != width:
        raise DataError(
            f"The rows of '{name}' do not fit its first line",
            expected=f"{width} values a row",
            found=f"{frame.shape[1]} in the first row",
            suggestion="name each column in the first line; where numbers have decimal commas, write points",
        )
    if width > 1 and bool(frame.iloc[:, -1].isna().any()):
        _refuse_rows(data, form, encoding, name)
    if b'"' in rows:
        _refuse_swallowed_rows(frame, form, name)
    return frame


def _records(data: bytes, form: Form, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Return the fields of each row after the names, with the number of its line in the file."""
    text = io.StringIO(data[form.start :].decode(encoding, errors="replace"), newline="")
    offset = form.line - 1
    if form.separator is None:
        for number, line in enumerate(text, offset + 1):
            if line.strip() and not (form.comments and COMMENT.match(line)):
                yield number, fields(re.sub(r"\s#.*", "", line) if form.end_comments else line, None)
        return
    reader = csv.reader(text, delimiter=form.separator, skipinitialspace=True)
    before = 0
    for row in reader:
        number, before = offset + before + 1, reader.line_num
        if any(row) and not (form.comments and COMMENT.match(row[0])):
            yield number, row


def _refuse_rows(data: bytes, form: Form, encoding: str, name: str) -> None:
    """Raise `DataError` for the first row that has more or fewer values than there are names.

    Rows that end early pass where other rows leave their last value empty: programs leave out the separators
    at the end of a row. Elsewhere it is not known which value is missing.
    """
    width = len(form.heading)
    first_short: tuple[int, list[str]] | None = None
    may_end_early = False
    try:
        for line, row in _records(data, form, encoding):
            if len(row) > width and any(text.strip() for text in row[width:]):
                raise _misfit(line, row, width, form, name)
            if len(row) >= width and not row[width - 1].strip():
                may_end_early = form.separator is not None
            if len(row) < width and first_short is None:
                first_short = line, row
    except csv.Error:
        return
    if first_short is not None and not may_end_early:
        raise _misfit(*first_short, width, form, name)


def _misfit(line: int, row: list[str], width: int, form: Form, name: str) -> DataError:
    text = (form.separator or " ").join(row).strip()
    values = f"{len(row)} value{'s' * (len(row) > 1)}"
    if len(row) > width:
        suggestion = "put texts that hold the separator between quotation marks"
        if form.separator is None:
            suggestion = "put texts that hold blanks between quotation marks"
    elif len(row) == 1 and width > 2:
        suggestion = "leave out lines that are no rows, such as a source or a number of rows below the table"
    elif form.separator is None:
        suggestion = "write NaN where a value is missing: which of them it is, blanks do not tell"
    else:
        suggestion = "write the separator also where a value is missing: else it is not known which one it is"
    return DataError(
        f"A row of '{name}' does not fit the names of the columns",
        expected=f"{width} values, as many as names",
        found=f"{values} in line {line}: {text[:60]!r}",
        suggestion=suggestion,
    )


def _refuse_swallowed_rows(frame: pd.DataFrame, form: Form, name: str) -> None:
    """Raise `DataError` for a text that holds whole rows: its quotation mark was closed in a later row."""
    import pandas as pd

    width = len(form.heading)
    for position in range(width):
        column = frame.iloc[:, position]
        if form.separator is None or width < 2 or pd.api.types.is_numeric_dtype(column.dtype):
            continue
        texts = column[column.astype("string").str.contains("\n", regex=False).fillna(False)]
        for row, text in texts.items():
            if any(line.count(form.separator) >= width - 1 for line in str(text).splitlines()):
                raise DataError(
                    f"A text of '{name}' holds whole rows",
                    expected="two quotation marks around each quoted text",
                    found=f"{str(text)[:60]!r} in row {int(row) + 1}",
                    suggestion="a quotation mark is not closed there: close it, or take it out",
                )


def _with_marks(frame: pd.DataFrame, rows: bytes, form: Form, encoding: str) -> tuple[pd.DataFrame, Writing]:
    """Return the frame with the texts of columns whose decimal mark is not certain, and what is certain.

    pandas reads ``1.234`` as a number with decimals, whatever the other columns have.
    """
    import numpy as np
    import pandas as pd

    separator = form.separator or " "
    texts = [i for i in range(frame.shape[1]) if not pd.api.types.is_numeric_dtype(frame.iloc[:, i].dtype)]
    if separator == "," and b'"' not in rows:
        return frame, Writing(".", separator)  # a comma between columns is none within numbers
    open_columns, marks = [], []
    for i in range(frame.shape[1]):
        if i in texts or not pd.api.types.is_float_dtype(frame.iloc[:, i].dtype):
            continue
        values = frame.iloc[:, i].to_numpy()
        values = np.abs(values[np.isfinite(values)])
        thousandths = np.abs(values * 1000 - np.round(values * 1000)) < 1e-6
        if bool((thousandths & (values < 1000) & ((values >= 1) | (values == 0))).all()):
            open_columns.append(i)
        elif len(values):
            marks.append(form.decimal)
    options = {**_options(form, encoding), "dtype": "string"}
    if open_columns or texts:
        head = pd.read_csv(io.BytesIO(rows), usecols=[*open_columns, *texts], nrows=_HEAD, **options)
        certain = {i: certain_mark(head[i].str.strip()) for i in head}
        marks += certain.values()
        open_columns = [i for i in open_columns if not certain[i]]
    if open_columns:
        whole = pd.read_csv(io.BytesIO(rows), usecols=open_columns, **options)
        frame = frame.copy()
        for i in open_columns:
            column = whole[i].str.strip()
            if bool(column.str.contains("[.,]", regex=True).fillna(False).any()):
                frame[i] = column
        marks += [certain_mark(whole[i].str.strip()) for i in open_columns]
    later = [certain_mark(frame[i].astype("string").str.strip()) for i in texts] if len(frame) > _HEAD else []
    return frame, Writing(together([*marks, *later]), separator)


def _rows(rows: bytes, form: Form, encoding: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the rows without comments, and a sentence where such comments look like rows."""
    if form.end_comments:
        rows = _END_COMMENT.sub(b"", rows)
    if not form.comments or not _COMMENT_LINE.search(rows):
        return rows, ()
    width, note = len(form.heading), ()
    lines = [match[0].decode(encoding, errors="replace") for match in _COMMENT_LINE.finditer(rows)]
    similar = [
        line
        for line in lines
        if width > 1
        and len(parts := fields(line, form.separator)) == width
        and fields(line, None) != form.heading
        if any(re.match(r"^[-+]?[\d.,]+([eE][-+]?\d+)?$", part) for part in parts[1:])
    ]
    if similar:
        note = (
            f"{len(similar)} {'rows begin' if len(similar) > 1 else 'row begins'} with a sign of comments "
            f"and {'were' if len(similar) > 1 else 'was'} left out, such as {similar[0].strip()[:40]!r}.",
        )
    return _COMMENT_LINE.sub(b"", rows), note


def _content(path: Path) -> bytes:
    """Return the bytes of a file, decompressed; raises `DataError` above the limit of size."""
    opener = COMPRESSIONS.get(path.suffix.lower(), open)
    with open(path, "rb") as file:
        if opener is open and file.read(2) == b"\x1f\x8b":
            opener = gzip.open
    with opener(path, "rb") as file:
        data = file.read(raw_table.MAXIMUM_BYTES + 1)
    raw_table.check_size(len(data), f"The table '{path.name}'")
    return data.removesuffix(b"\x1a")  # the end of a file in DOS


def _encoded(data: bytes, name: str) -> tuple[bytes, str]:
    """Return bytes in an encoding that contains ASCII, without a byte order mark, and its name for pandas."""
    refuse_content(data, name)
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return data.decode("utf-32").encode(), "utf-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16").encode(), "utf-8"
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    zeros = [data[i:4096:2].count(0) for i in (0, 1)]
    if any(zeros):
        half = max(1, len(data[:4096]) // 2)
        for wide, other, encoding in ((zeros[1], zeros[0], "utf-16-le"), (zeros[0], zeros[1], "utf-16-be")):
            if wide > 0.8 * half and other == 0:
                return data.decode(encoding).encode(), "utf-8"
        raise DataError(
            f"The table '{name}' could not be read", expected="text with a heading", found="binary data"
        )
    for encoding in ("utf-8", "cp1252", "latin-1"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        break
    return data, encoding
