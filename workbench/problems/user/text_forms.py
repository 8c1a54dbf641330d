"""Form of a table that is text: its separator, names, units and comments, found out from the first lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from workbench.core.errors import DataError
from workbench.core.spreadsheet import original_text

#: Texts that stand for a missing value, beside those of pandas.
MISSING = (
    *("?", "-", "--", "---", "—", "–", ".", "..", "...", "…", "*", "\\N", "missing", "Missing"),
    *("NAN", "Na", "na", "NONE", "NIL", "NaT", "n.a.", "N.A.", "k.A.", "k. A.", "#NV", "#NULL!"),
)
#: Separators from the strongest on: one that splits all lines alike wins over those that follow.
_SEPARATORS = ("\t", ";", "|", ",")
#: Beginning of a comment line; not an error of a spreadsheet, such as #DIV/0!.
COMMENT = re.compile(r"^\s*(#(?![A-Z]+[/A-Z0]*[!?]|N/?A\b|NV\b)#*|%+|//+)")
_END_COMMENT = re.compile(r"\s#.*$")
#: A line between names and rows, as databases and Markdown write it.
_RULE = re.compile(r"^(?=.*---)[\s|+:=-]+$")
_EXCEL_SEPARATOR = re.compile(r"^\"?sep=(.)\"?\s*$")
_NUMBER = re.compile(r"^[-+]?(\d+[.,]?\d*|[.,]\d+)([eEdD][-+]?\d+)?$")
_DECIMAL_COMMA = re.compile(r"^[-+]?\d*,\d+([eEdD][-+]?\d+)?$")
_SAMPLE_ROWS, _SAMPLE_BYTES, _MOST_TITLE_LINES = 50, 2**21, 30
_SAMPLE_LINES = 5 * _SAMPLE_ROWS
#: Blanks at the ends of names, some of which have no width.
_BLANKS = " \t\r\n\u00a0\ufeff\u200b\u200e\u200f"
_NO_UNITS = ("na", "nan", "n/a", "null", "none", "inf", "true", "false")


@dataclass(frozen=True)
class Form:
    """Form of a text: names, their units, separator (None: blanks), and where its rows begin.

    Parameters
    ----------
    start : place of the first row in bytes; ``line`` is its number, from 1.
    comments : false where rows themselves begin with a sign of comments.
    end_comments : true where rows separated by blanks end with comments.
    notes : what was assumed, as sentences.
    """

    heading: list[str]
    units: list[str]
    separator: str | None
    decimal: str
    start: int
    line: int
    comments: bool = True
    end_comments: bool = False
    notes: tuple[str, ...] = ()


def form_of(data: bytes, encoding: str, name: str, columns: Iterable[str]) -> Form:
    """Find out from its first lines how a table is written; ``columns`` are the names that are asked for."""
    sample = data[:_SAMPLE_BYTES].decode(encoding, errors="ignore")
    lines = list(io.StringIO(sample, newline=""))  # splits at line ends alone, and leaves them as they are
    if len(data) > _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()  # cut off in the middle
    first, comments, separator = _preamble(lines)
    if first == len(lines):
        raise DataError(f"The table '{name}' is empty", expected="a first line with the names of the columns")
    full_lines = ((i, lines[i]) for i in range(first + 1, len(lines)) if lines[i].strip())
    rest = list(islice(full_lines, _SAMPLE_LINES))
    rows_below = [(i, line) for i, line in rest if _is_row(line)]
    rows_below += islice(((i, line) for i, line in full_lines if _is_row(line)), _SAMPLE_LINES)
    # where every row begins with a sign of comments, it is none
    only_marks = not rows_below and len(rest) > 1
    body = [(first, lines[first]), *(rest if only_marks else rows_below)]
    while body[0][1].count('"') % 2 and 1 < len(body) > len(rows_below) - _MOST_TITLE_LINES:
        body[:2] = [(first, body[0][1] + body[1][1])]  # a line end in a quoted name
    end_comments = _end_comments(body, comments)
    if end_comments:
        body = [(i, _END_COMMENT.sub("", line)) for i, line in body]
    skip = 0 if separator else _title([line for _, line in body])
    notes = (_title_note(body[:skip]),) if skip else ()
    body = body[skip:]
    first, texts = body[0][0], [line for _, line in body]
    by = separator or separator_of(texts[0], texts[1:])
    form = _split(lines, body, by, comments, name, list(columns))
    start = len("".join(lines[: form.line - 1]).encode(encoding, errors="ignore"))
    return replace(form, start=start, comments=not only_marks, end_comments=end_comments, notes=notes)


def _split(
    lines: list[str],
    body: list[tuple[int, str]],
    separator: str | None,
    comments: list[str],
    name: str,
    columns: list[str],
) -> Form:
    """Return names, units and the first row of the lines ``body``, which begin with the names or the rows."""
    first = body[0][0]
    heading, line_count = _record(body[0][1], separator)
    below = [(i, line) for i, line in body if i >= first + line_count]
    rows = _records([line for _, line in below], separator)[:_SAMPLE_ROWS]
    units: list[str] = []
    if _holds_names(heading, rows, columns):
        last = first + line_count
        while last < len(lines) and _RULE.match(lines[last]):
            last += 1
        if len(rows) > 2 and are_units(rows[0], rows[1:], len(heading)):
            units, rows, last = unit_names(rows[0]), rows[1:], below[0][0] + 1
    else:
        rows, last, width = [heading, *rows], first, len(heading)
        heading = _comment_heading(comments, separator, width)
        if not heading:
            raise DataError(
                f"The table '{name}' has no names of columns",
                found=f"a first line {body[0][1].strip()[:60]!r}",
                expected="a first line with the names of the columns",
                suggestion="write the names, separated like the numbers, into a first line",
            )
    if _have_names(rows, len(heading), body[-1][1]):
        heading = ["row" if "row" not in heading else "row_names", *heading]
        units = ["", *units] if units else []
    if heading[-1] == "" and {len(row) for row in rows} == {len(heading) - 1}:
        heading = heading[:-1]  # a separator at the end of the first line alone
    heading = [original_text(text.strip(_BLANKS)) or f"Unnamed: {i}" for i, text in enumerate(heading)]
    return Form(heading, units, separator, _decimal(rows, separator), 0, last + 1)


def _end_comments(body: list[tuple[int, str]], comments: list[str]) -> bool:
    """Return True for rows separated by blanks that fit the names only without comments at their ends."""
    texts = [line for _, line in body]
    if not any(_END_COMMENT.search(line) for line in texts) or separator_of(texts[0], texts[1:]) is not None:
        return False
    if _width(texts[0], texts[1:], None) > 1 and not any(is_number(t) for t in fields(texts[0], None)):
        return False
    cut = [_END_COMMENT.sub("", line) for line in texts]
    width = _width(cut[0], cut[1:], None)
    return width > 0 and (
        not any(map(is_number, fields(cut[0], None))) or bool(_comment_heading(comments, None, width))
    )


def _title_note(body: list[tuple[int, str]]) -> str:
    titles = [line.strip().strip(",;\t| ") for _, line in body]
    text = ", ".join(repr(title[:40]) for title in titles[:3]) + (", …" if len(titles) > 3 else "")
    return f"Lines above the names of the columns were left out: {text}."


def _preamble(lines: list[str]) -> tuple[int, list[str], str]:
    """Return the number of lines before the first that is no comment, the comments, and Excel's separator."""
    comments: list[str] = []
    first, separator = 0, ""
    while first < len(lines):
        line = lines[first].strip()
        if line and COMMENT.match(line):
            comments.append(COMMENT.sub("", line).strip())
        elif match := _EXCEL_SEPARATOR.match(lines[first].strip("\r\n")):
            separator = match[1]
        elif line:
            break
        first += 1
    return first, comments, separator


def _is_row(line: str) -> bool:
    """Return True for a line that is neither empty, nor a comment, nor a rule below the names."""
    return bool(line.strip()) and not COMMENT.match(line) and not _RULE.match(line)


def fields(line: str, separator: str | None) -> list[str]:
    """Split a line at a separator, or at blanks if it is None; quoted fields stay whole."""
    if separator is None:
        line, separator = " ".join(line.replace("\t", " ").split()), " "
    row = next(csv.reader([line.rstrip("\r\n")], delimiter=separator, skipinitialspace=True), [])
    return [text.strip() for text in row]


def _records(lines: Sequence[str], separator: str | None) -> list[list[str]]:
    """Split lines into records; quoted fields may hold line ends."""
    if separator is None:
        return [fields(line, None) for line in lines]
    reader = csv.reader(lines[: 4 * _SAMPLE_ROWS], delimiter=separator, skipinitialspace=True)
    try:
        return [[text.strip() for text in row] for row in reader if row]
    except csv.Error:  # a field above the limit of length
        return [fields(line, separator) for line in lines]


def _record(text: str, separator: str | None) -> tuple[list[str], int]:
    """Return the fields of the first record and its number of lines: quoted names may hold line ends."""
    if separator is None:
        return fields(text, None), 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    return [" ".join(text.split()) for text in next(reader)], reader.line_num


def _width(heading: str, lines: Sequence[str], separator: str | None) -> int:
    """Return the number of fields that a separator splits all lines into, 0 where it differs.

    The first line may have a field less than the others, where these begin with names or end with a
    separator; or one more, empty, at its end.
    """
    own = fields(heading, separator)
    rows = _records(lines, separator)[: _SAMPLE_ROWS + 1] or [own]
    if len(lines) > 4 * _SAMPLE_ROWS and len(rows) > 1:
        rows = rows[:-1]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        return 0
    width = widths.pop()
    if separator in ("\t", " ") and all(text.endswith((",", ";", "|")) for text in own[:-1]):
        return 0  # blanks that align
    trailing = all(not row[-1] for row in rows) or _have_names(rows, len(own), lines[-1] if lines else "")
    fits = own and (
        len(own) == width or (len(own) == width - 1 and trailing) or (len(own) == width + 1 and not own[-1])
    )
    return width if fits else 0


def separator_of(heading: str, rows: Sequence[str]) -> str | None:
    """Return the strongest separator that splits all lines alike; None stands for blanks.

    Where none does, it is the one that stands most often in the first line.
    """
    for separator in _SEPARATORS:
        if separator in heading and _width(heading, rows, separator) > 1:
            return separator
    if _width(heading, rows, None) > 1:
        return None
    if any(separator in heading for separator in _SEPARATORS):
        return max(",;\t|", key=heading.count)
    return None if len(heading.split()) > 1 and any(len(row.split()) > 1 for row in rows) else ","


def _have_names(rows: Sequence[Sequence[str]], width: int, last_line: str) -> bool:
    """Return True where rows have a name before their ``width`` values, as R writes them."""
    if not rows or any(len(row) != width + 1 for row in rows) or all(not row[-1] for row in rows):
        return False
    names = [row[0] for row in rows]
    if last_line.lstrip().startswith('"'):
        return True
    if len(set(names)) < len(names) or len(names) < 2:
        return False
    numerals = [str(i) for i in range(len(names) + 1)]
    return names in (numerals[:-1], numerals[1:]) or not any(map(is_number, names))


def _title(body: list[str]) -> int:
    """Return the number of lines of title above the names of the columns; 0 where the first line has them."""
    for skip in range(min(_MOST_TITLE_LINES, len(body) - 3)):
        heading, rows = body[skip], body[skip + 1 :]
        separator = separator_of(heading, rows)
        width = _width(heading, rows, separator)
        names = [text for text in fields(heading, separator) if text]
        if skip == 0 and width == 1 and len(body[0].split()) == 1:
            return 0
        if width < 2 or 2 * len(names) < width or (len(names) == 1 and width > 1):
            continue
        if skip == 0:
            return 0
        below = _records(rows, separator)
        has_numbers = all(any(map(is_number, row)) for row in below[1:])
        own = [len([text for text in fields(line, separator) if text]) for line in body[:skip]]
        if not any(map(is_number, names)) and has_numbers and width not in own:
            return skip
    return 0


def is_number(text: str) -> bool:
    """Return True for a number, with a decimal point or comma."""
    return bool(_NUMBER.match(text))


def _holds_names(heading: list[str], rows: list[list[str]], columns: list[str]) -> bool:
    """Return True where a first line holds names: not numbers, or those that a DataFrame gives to columns."""
    texts = [text for text in heading if text]
    numeric = [text for text in texts if is_number(text)]
    if not texts:
        return False
    if len(numeric) < len(texts):
        decimals = [t for t in numeric if not t.isdigit()]
        return not (
            decimals
            and rows
            and all(is_number(r[heading.index(decimals[0])]) for r in rows if len(r) == len(heading))
        )
    if len(set(texts)) < len(texts):
        return False
    numerals = [str(i) for i in range(len(texts) + 1)]
    return texts in (numerals[:-1], numerals[1:]) or (bool(columns) and set(columns) <= set(texts))


def _comment_heading(comments: list[str], separator: str | None, width: int) -> list[str]:
    """Return the ``width`` names in the last comment line before the numbers that holds them; else none."""
    for comment in reversed(comments):
        for option in (separator, None, ",", "\t", ";"):
            names = fields(comment, option)
            if len(names) == width and not all(map(is_number, names)):
                return names
    return []


def are_units(row: Sequence[str], others: Sequence[Sequence[str]], width: int) -> bool:
    """Return True for a line of units below the names: texts over columns of numbers, nothing over texts."""
    texts = [text.strip("[]() ") for text in row]
    if len(row) != width or any(len(other) != width for other in others):
        return False
    numeric = [
        all(map(is_number, filter(None, column))) and any(column) for column in zip(*others, strict=True)
    ]
    units = [text for text, is_numeric in zip(texts, numeric, strict=True) if is_numeric]
    rest = [text for text, is_numeric in zip(texts, numeric, strict=True) if not is_numeric]
    if any(rest_text not in ("", "-") for rest_text in rest) or not any(
        unit not in ("", "-") for unit in units
    ):
        return False
    if any(is_number(u) or (u in MISSING and u != "-") or u.lower() in _NO_UNITS for u in units if u):
        return False
    return True


def unit_names(row: Iterable[str]) -> list[str]:
    """Return the units in a line of units; a dash stands for none."""
    return ["" if text.strip() == "-" else text.strip("[]() ") for text in row]


def _decimal(rows: list[list[str]], separator: str | None) -> str:
    texts = [text for row in rows for text in row]
    commas = any(_DECIMAL_COMMA.match(text) for text in texts)
    points = any("." in text and is_number(text) for text in texts)
    return "," if separator != "," and commas and not points else "."
