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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.core.errors import DataError
from workbench.problems.user import raw_table
from workbench.problems.user.raw_table import RawTable, choose, named

COMPRESSIONS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
#: Texts that stand for a missing value, beside those of pandas.
MISSING = ("?", "-", "--", "---", ".", "..", "...", "*", "\\N", "missing", "Missing", "NAN", "Na", "NONE")
_COMMENT = re.compile(r"^\s*(#+|%+|//+)")
_NUMBER = re.compile(r"^[-+]?(\d+[.,]?\d*|[.,]\d+)([eEdD][-+]?\d+)?$")
_DECIMAL_COMMA = re.compile(r"^[-+]?\d*,\d+([eEdD][-+]?\d+)?$")
_SAMPLE_ROWS, _SAMPLE_BYTES = 50, 2**21


@dataclass(frozen=True)
class _Form:
    """Form of a text: names, their units, separator (None: blanks), start of its rows in bytes."""

    heading: list[str]
    units: list[str]
    separator: str | None
    decimal: str
    start: int


def read_text(path: Path, columns: list[str]) -> RawTable:
    """Read a table from a file of text, compressed or not. Raises `DataError` where that is not possible."""
    import pandas as pd

    data, encoding = _encoded(_content(path), path.name)
    form = _form(data, encoding, path.name, columns)
    positions, names = choose(form.heading, columns)
    rows = _without_comments(data[form.start :])
    # by position: pandas renames columns of the same name, and with names it drops values of rows too long
    frame = pd.read_csv(
        io.BytesIO(rows),
        sep=form.separator or r"\s+",
        header=None,
        encoding=encoding,
        skipinitialspace=True,
        low_memory=False,
        decimal=form.decimal,
        na_values=list(MISSING),
    )
    width = len(form.heading)
    if frame.shape[1] > width and bool(frame.iloc[:, width:].isna().all(axis=None)):
        frame = frame.iloc[:, :width]  # a separator at the end of each row
    if frame.shape[1] != width:
        raise DataError(
            f"The rows of '{path.name}' do not fit its first line",
            expected=f"{width} values a row",
            found=f"{frame.shape[1]} in the first row",
        )
    raw = named(frame[positions], names)
    for position, (name, _) in zip(positions, names, strict=True):
        if form.units and form.units[position]:
            raw.units.setdefault(name, form.units[position])
    return raw


def _content(path: Path) -> bytes:
    """Return the bytes of a file, decompressed; raises `DataError` above the limit of size."""
    opener = COMPRESSIONS.get(path.suffix.lower(), open)
    with opener(path, "rb") as file:
        data = file.read(raw_table.MAXIMUM_BYTES + 1)
    raw_table.check_size(len(data), f"The table '{path.name}'")
    return data


def _encoded(data: bytes, name: str) -> tuple[bytes, str]:
    """Return bytes in an encoding that contains ASCII, without a byte order mark, and its name for pandas."""
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


def _without_comments(rows: bytes) -> bytes:
    if not re.search(rb"^[ \t]*(#|%|//)", rows, re.MULTILINE):
        return rows
    return re.sub(rb"^[ \t]*(?:#|%|//).*\n?", b"", rows, flags=re.MULTILINE)


def _form(data: bytes, encoding: str, name: str, columns: Iterable[str]) -> _Form:
    """Find out from its first lines how a table is written."""
    sample = data[:_SAMPLE_BYTES].decode(encoding, errors="ignore")
    lines = list(io.StringIO(sample, newline=""))  # splits at line ends alone, and leaves them as they are
    if len(data) > _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()  # cut off in the middle
    comments: list[str] = []
    first = 0
    while first < len(lines) and (not lines[first].strip() or _COMMENT.match(lines[first])):
        if lines[first].strip():
            comments.append(_COMMENT.sub("", lines[first]).strip())
        first += 1
    if first == len(lines):
        raise DataError(f"The table '{name}' is empty", expected="a first line with the names of the columns")
    body = [line for line in lines[first:] if line.strip() and not _COMMENT.match(line)]
    body = body[: _SAMPLE_ROWS + 1]
    separator = _separator(body[0], body[1:])
    heading, line_count = _record(lines[first:], separator)
    rows = [_fields(line, separator) for line in body[line_count:]]
    units: list[str] = []
    if _holds_names(heading, rows, list(columns)):
        last = first + line_count
        if len(rows) > 2 and _are_units(rows[0], rows[1:], len(heading)):
            units, last, rows = [text.strip("[]() ") for text in rows[0]], last + 1, rows[1:]
    else:
        heading, rows, last = _comment_heading(comments, separator, len(heading)), [heading, *rows], first
        if not heading:
            raise DataError(
                f"The table '{name}' has no names of columns",
                found=f"a first line {body[0].strip()[:60]!r}",
                expected="a first line with the names of the columns",
                suggestion="write the names, separated like the numbers, into a first line",
            )
    if body[-1].lstrip().startswith('"') and rows and all(len(row) == len(heading) + 1 for row in rows):
        heading = ["row", *heading]  # names of rows, as R writes them
    heading = [text.strip() or f"Unnamed: {i}" for i, text in enumerate(heading)]
    start = len("".join(lines[:last]).encode(encoding, errors="ignore"))
    return _Form(heading, units, separator, _decimal(rows, separator), start)


def _fields(line: str, separator: str | None) -> list[str]:
    """Split a line at a separator, or at blanks if it is None; quoted fields stay whole."""
    if separator is None:
        line, separator = " ".join(line.replace("\t", " ").split()), " "
    row = next(csv.reader([line.rstrip("\r\n")], delimiter=separator, skipinitialspace=True), [])
    return [text.strip() for text in row]


def _record(lines: list[str], separator: str | None) -> tuple[list[str], int]:
    """Return the fields of the first record and its number of lines: quoted names may hold line ends."""
    if separator is None:
        return _fields(lines[0], None), 1
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return [" ".join(text.split()) for text in next(reader)], reader.line_num


def _separator(heading: str, rows: list[str]) -> str | None:
    """Return the separator that splits all lines into the same number of fields, the most that there are."""
    best, most = "", 1
    for separator in ("\t", ";", "|", ",", None):
        counts = {len(_fields(line, separator)) for line in rows or [heading]}
        width = max(counts)
        own = len(_fields(heading, separator))
        has_row_names = heading.lstrip().startswith('"') and own == width - 1
        if len(counts) == 1 and width > most and (own == width or has_row_names):
            best, most = separator, width
    if most > 1:
        return best
    return max(",;\t|", key=heading.count)


def _is_number(text: str) -> bool:
    return bool(_NUMBER.match(text))


def _holds_names(heading: list[str], rows: list[list[str]], columns: list[str]) -> bool:
    """Return True where a first line holds names: not numbers, or those that a DataFrame gives to columns."""
    texts = [text for text in heading if text]
    numeric = [text for text in texts if _is_number(text)]
    if not texts:
        return False
    if len(numeric) < len(texts):
        decimals = [t for t in numeric if not t.isdigit()]
        return not (
            decimals
            and rows
            and all(_is_number(r[heading.index(decimals[0])]) for r in rows if len(r) == len(heading))
        )
    if len(set(texts)) < len(texts):
        return False
    numerals = [str(i) for i in range(len(texts) + 1)]
    return texts in (numerals[:-1], numerals[1:]) or (bool(columns) and set(columns) <= set(texts))


def _comment_heading(comments: list[str], separator: str | None, width: int) -> list[str]:
    """Return the names in the last comment line before the numbers; empty where it holds none."""
    for option in (separator, None, ",", "\t", ";"):
        names = _fields(comments[-1], option) if comments else []
        if len(names) == width and not all(map(_is_number, names)):
            return names
    return []


def _are_units(row: list[str], others: list[list[str]], width: int) -> bool:
    """Return True for a line of units below the names: texts over columns of numbers."""
    texts = [text.strip("[]() ") for text in row]
    if len(row) != width or not any(texts) or any(_is_number(t) or t in MISSING for t in texts if t):
        return False
    if any(t.lower() in ("na", "nan", "n/a", "null", "none", "inf", "true", "false") for t in texts):
        return False
    return all(len(other) == width and all(map(_is_number, filter(None, other))) for other in others)


def _decimal(rows: list[list[str]], separator: str | None) -> str:
    fields = [text for row in rows for text in row]
    commas = any(_DECIMAL_COMMA.match(text) for text in fields)
    points = any("." in text and _is_number(text) for text in fields)
    return "," if separator != "," and commas and not points else "."
