"""Tables that other programs write: spreadsheets, JSON, Stata, SAS, ORC, and archives with one table."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.errors import DataError, did_you_mean
from workbench.problems.user.raw_table import RawTable, bare_name, check_size
from workbench.problems.user.safety import refuse_large_archive
from workbench.problems.user.text_forms import MISSING, are_units, unit_names
from workbench.problems.user.totals import totals_note

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

_MOST_TITLE_ROWS, _SAMPLE_ROWS = 30, 50


def read_excel(
    path: Path, columns: list[str], sheet: str, table: Callable[[pd.DataFrame, list[str]], RawTable]
) -> RawTable:
    """Return a sheet of a spreadsheet, by name or number from 1 (the first without one), as a table.

    Rows above the names are left out, and a row of units below them goes into the names. Raises `DataError`
    for an unknown sheet, and for columns that another sheet has.
    """
    import pandas as pd

    _refuse_text(path)
    if zipfile.is_zipfile(path):
        refuse_large_archive(path)
    try:
        with pd.ExcelFile(path) as book:
            names = [str(name) for name in book.sheet_names]
            own = _sheet(path, names, sheet)
            cells = pd.read_excel(book, sheet_name=own, header=None, dtype=object, na_values=list(MISSING))
            frame = _headed(cells)
            lacking = [c for c in columns if not _has(frame, c)]
            if lacking and not sheet and len(names) > 1:
                others = [name for name in names if name != own]
                heads = {
                    n: pd.read_excel(book, sheet_name=n, header=None, dtype=object, nrows=80) for n in others
                }
                sheets = [n for n, head in heads.items() if _has(_headed(head), lacking[0])]
                raise DataError(
                    f"The first sheet of '{path.name}', '{own}', has no column '{lacking[0]}'",
                    expected=", ".join(map(str, frame.columns[:20])) or "columns",
                    found=f"it in the sheet '{sheets[0]}'"
                    if sheets
                    else f"sheets {', '.join(map(repr, names))}",
                    suggestion=f"write {path.name}#{(sheets or others)[0]}, or set group_path to the sheet",
                )
    except ImportError as error:
        package = {".xls": "xlrd", ".ods": "odfpy"}.get(path.suffix.lower(), "openpyxl")
        raise DataError(
            f"The table '{path.name}' cannot be read here",
            expected=f"the package {package}, which reads such files",
            found="it is not installed",
            suggestion=f"install it with 'pip install {package}', or save the sheet as CSV",
        ) from error
    notes = []
    above = [str(v) for v in cells.iloc[: _names_row(cells)].to_numpy().ravel() if pd.notna(v)]
    if above:
        notes.append(f"Rows above the names of the columns were left out, such as {above[0][:40]!r}.")
    if not (sheet or columns) and len(names) > 1:
        notes.append(
            f"The file has {len(names)} sheets, and '{own}' is read. For another one write "
            f"{path.name}#{names[1]}, or set group_path."
        )
    notes += totals_note(frame, list(map(str, frame.columns)))
    raw = table(frame, columns)
    return replace(raw, notes=(*raw.notes, *notes))


def sheet_names(path: str | Path) -> list[str]:
    """Return the names of the sheets of a spreadsheet; empty for other files."""
    import pandas as pd

    if Path(path).suffix.lower() not in (".xlsx", ".xlsm", ".xls", ".ods"):
        return []
    try:
        with pd.ExcelFile(path) as book:
            return [str(name) for name in book.sheet_names]
    except (ImportError, ValueError, OSError, KeyError, zipfile.BadZipFile):
        return []


def _sheet(path: Path, names: list[str], sheet: str) -> str:
    if not sheet or sheet in names:
        return sheet or names[0]
    if sheet.isdigit() and 1 <= int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise DataError(
        f"The table '{path.name}' has no sheet '{sheet}'",
        expected=", ".join(map(repr, names[:12])),
        found=sheet,
        suggestion=did_you_mean(sheet, names),
    )


def _has(frame: pd.DataFrame, column: str) -> bool:
    headings = [str(name) for name in frame.columns]
    own = {*headings, *(bare_name(name)[0] for name in headings)}
    return bool(own & {column, bare_name(column)[0], f"{column}_0"})


def _names_row(cells: pd.DataFrame) -> int:
    """Return the place of the first row that has texts in half of the columns that are not empty."""
    width = int(cells.notna().any(axis=0).sum())
    for row in range(min(_MOST_TITLE_ROWS, len(cells))):
        names = cells.iloc[row].dropna()
        if (
            len(names) == cells.shape[1] > 1
            and names.is_unique
            and not cells.iloc[:row].notna().any(axis=None)
        ):
            return row  # also where names are numbers, such as years
        texts = [v for v in names if isinstance(v, str) and v.strip()]
        if 2 * len(texts) >= width and (len(texts) > 1 or width == 1):
            return row
    return int(cells.notna().any(axis=1).to_numpy().argmax()) if len(cells) else 0


def _headed(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a sheet with its row of names as names, and a row of units in brackets behind the names."""
    import pandas as pd

    if not len(cells):
        return cells
    frame, first = cells, _names_row(cells)
    names = [
        " ".join(str(v).split()) if pd.notna(v) else f"Unnamed: {i}" for i, v in enumerate(frame.iloc[first])
    ]
    body = frame.iloc[first + 1 :]
    sample = [["" if pd.isna(v) else str(v) for v in row] for row in body.head(_SAMPLE_ROWS).to_numpy(object)]
    if len(sample) > 2 and are_units(sample[0], sample[1:], len(names)):
        units, body = unit_names(sample[0]), body.iloc[1:]
        names = [f"{n} [{u}]" if u and not bare_name(n)[1] else n for n, u in zip(names, units, strict=True)]
    return body.set_axis(names, axis=1).dropna(how="all").reset_index(drop=True).infer_objects()


def _refuse_text(path: Path) -> None:
    """Raise `DataError` for text under the ending of a spreadsheet."""
    if zipfile.is_zipfile(path):
        return
    with open(path, "rb") as file:
        start = file.read(2000)
    is_old = start.startswith(b"\xd0\xcf\x11\xe0")
    if is_old and path.suffix.lower() != ".xls":
        raise DataError(
            f"The table '{path.name}' could not be read",
            expected="a spreadsheet without a password",
            found="one that is protected, or one of before 2007",
            suggestion="save it without a password, or give it the ending .xls",
        )
    if is_old or b"\x00" in start or len(start) < 2:
        return
    page = start.lstrip()[:14].lower().startswith((b"<!doctype", b"<html", b"<table", b"<?xml"))
    raise DataError(
        f"The table '{path.name}' could not be read",
        expected="a sheet of a spreadsheet",
        found="a page of the web" if page else "text",
        suggestion="open it in a spreadsheet and save it as .xlsx" if page else "give it the ending .csv",
    )


def read_json(path: Path) -> pd.DataFrame:
    """Return the table of a JSON file: a list of rows, columns by name, or one row a line."""
    import pandas as pd

    text = path.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text)
        if isinstance(content, dict) and not all(isinstance(v, (list, dict)) for v in content.values()):
            content = [content]
    except json.JSONDecodeError:
        content = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(content, dict):
        if {"columns", "data"} <= set(content) <= {"columns", "index", "data"}:  # as pandas writes it
            return pd.DataFrame(content["data"], columns=content["columns"])
        lists = [key for key, value in content.items() if _are_rows(value)]
        lengths = {len(value) for value in content.values()}
        if len(lengths) == 1 and not lists:
            return pd.DataFrame(content)
        raise DataError(
            f"The table '{path.name}' could not be read",
            expected='a list of rows such as {"a": 1.5}, or columns of one length by name',
            found=f"an object with {', '.join(map(repr, list(content)[:8]))}",
            suggestion=f"write the list '{lists[0]}' into a file of its own" if lists else "",
        )
    if not _are_rows(content):
        raise DataError(
            f"The table '{path.name}' could not be read",
            expected='a list of rows such as {"a": 1.5}, or columns of one length by name',
            found=f"a list that begins with {str(content[:1])[:60]}" if content else "an empty list",
        )
    return pd.json_normalize(content, sep=".")


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def read_stata(
    path: Path, columns: list[str], table: Callable[[pd.DataFrame, list[str]], RawTable]
) -> RawTable:
    """Return a file of Stata as ``table`` makes it of a frame, with the labels of its variables."""
    import pandas as pd

    with pd.read_stata(path, iterator=True) as reader:
        descriptions = reader.variable_labels()
        frame = reader.read()
    raw = table(frame, columns)
    raw.descriptions.update({n: text for n, text in descriptions.items() if text and n in raw.frame})
    return raw


def read_sas(path: Path) -> pd.DataFrame:
    """Return a file of SAS (.sas7bdat or .xpt)."""
    import pandas as pd

    return pd.read_sas(path, encoding="infer" if path.suffix.lower() == ".sas7bdat" else "utf-8")


def read_orc(path: Path) -> pyarrow.Table:
    """Return a file of Apache ORC."""
    from pyarrow import orc

    return orc.read_table(path)


def read_zip(path: Path, member: str, read: Callable[[Path], RawTable]) -> RawTable:
    """Return the table in a ZIP archive, of which ``read`` reads the file; raises `DataError` for several."""
    refuse_large_archive(path)
    with zipfile.ZipFile(path) as archive:
        names = [
            info.filename
            for info in archive.infolist()
            if not info.is_dir()
            and not Path(info.filename).name.startswith(".")
            and "__MACOSX" not in info.filename
        ]
        members = [name for name in names if name == member] if member else names
        if len(members) != 1:
            raise DataError(
                f"The archive '{path.name}' has no file '{member}'"
                if member
                else f"'{path.name}' is an archive",
                expected="one of its files" if member else "one file in it",
                found=", ".join(map(repr, names[:12])) or "no file",
                suggestion=f"write {path.name}#{names[0]}" if names else "",
            )
        inner = Path(members[0]).name
        if Path(inner).suffix.lower() == ".zip":
            raise DataError(f"'{path.name}' holds another archive", found=inner, suggestion="unpack it first")
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / inner
            data = archive.read(members[0])
            check_size(len(data), f"The table '{inner}'")
            part.write_bytes(data)
            return read(part)
