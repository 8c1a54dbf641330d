"""Files whose content or ending says that another program should read them, and what to do then."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from workbench.core.errors import DataError, did_you_mean

_PANDAS = "open it in Python and give the frame: TableProblem({reader}, x=…, y=…)"
_EXPORT = "write it as CSV or Parquet with the program that it comes from"
_ASTROPY = (
    "open it with astropy.table.Table.read(file) and give that table to TableProblem, or write it as CSV"
)
#: What to do with files of these endings.
FOREIGN = {
    **dict.fromkeys((".fits", ".fit", ".fts", ".vot", ".votable", ".xml", ".tbl"), _ASTROPY),
    **dict.fromkeys((".md", ".log", ".out", ".prn", ".res", ".xy"), "give it the ending .txt if it is text"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib", ".pt", ".pth"),
        "a pickle can run code and is not opened: load it in Python and give the frame to TableProblem",
    ),
    **dict.fromkeys((".rds", ".rdata", ".rda"), "write it in R with write.csv(data, file, row.names=FALSE)"),
    ".sav": _PANDAS.format(reader="pandas.read_spss(file)"),
    ".zsav": _PANDAS.format(reader="pandas.read_spss(file)"),
    ".html": _PANDAS.format(reader="pandas.read_html(file)[0]"),
    ".htm": _PANDAS.format(reader="pandas.read_html(file)[0]"),
    ".arff": "leave out the lines that begin with @, write the names into a first line, and save it as .csv",
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"), _PANDAS.format(reader="pandas.read_sql(query, connection)")
    ),
    **dict.fromkeys((".tar", ".tgz", ".7z", ".rar"), "unpack it first"),
    **dict.fromkeys(
        (".pdf", ".doc", ".docx", ".odt"), "copy the table into a spreadsheet and save it as CSV"
    ),
    **dict.fromkeys((".root", ".tdms", ".edf", ".wav", ".grib", ".grb", ".grib2", ".shp", ".bag"), _EXPORT),
}
#: Beginnings of files that are not the text which their ending says, and what they are.
_BEGINNINGS = (
    (b"PK\x03\x04", "an Excel file or another ZIP archive", "give it its own ending, such as .xlsx or .zip"),
    (b"\xd0\xcf\x11\xe0", "an Excel file of before 2007", "give it the ending .xls"),
    (b"PAR1", "a Parquet file", "give it the ending .parquet"),
    (b"\x89HDF", "an HDF5 file", "give it the ending .h5"),
    (b"CDF\x01", "a NetCDF file", "give it the ending .nc"),
    (b"CDF\x02", "a NetCDF file", "give it the ending .nc"),
    (b"\x93NUMPY", "a NumPy file", "give it the ending .npy"),
    (b"ARROW1", "a Feather file", "give it the ending .feather"),
    (b"SIMPLE  =", "a FITS file", _ASTROPY),
    (b"%PDF", "a PDF document", FOREIGN[".pdf"]),
    (b"SQLite format 3", "a database", FOREIGN[".db"]),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS in place of the file",
        "fetch the file with 'git lfs pull'",
    ),
)


def refuse_content(data: bytes, name: str) -> None:
    """Raise `DataError` for content that is not the text of a table, with what it is."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    for beginning, noun, suggestion in _BEGINNINGS:
        if data.startswith(beginning):
            raise DataError(
                f"The table '{name}' could not be read", expected="text", found=noun, suggestion=suggestion
            )
    if start[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise DataError(
            f"The table '{name}' could not be read",
            expected="text with a heading",
            found="a page of the web",
            suggestion="download the table itself: this may be a page of login, or one that says what failed",
        )


def refuse_foreign(path: Path, kind: str | None, endings: Sequence[str]) -> None:
    """Raise `DataError` where there is no table at ``path``, or one of a kind that is not read here.

    ``kind`` is what its ending stands for, None if it is none of ``endings``.
    """
    if path.is_dir() and kind not in ("zarr", "parquet"):
        raise _folder(path, endings)
    if not path.exists() or (kind == "zarr" and not path.is_dir()):
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"The table '{path}' was not found",
            expected="a Zarr folder" if kind == "zarr" else "a file",
            found="nothing there" if not path.exists() else "a file",
            suggestion=did_you_mean(path.name, [name for name in siblings if name != path.name]),
        )
    if kind is not None:
        return
    ending = path.suffix.lower()
    close = difflib.get_close_matches(ending, endings, n=1, cutoff=0.7)
    remedy = FOREIGN.get(ending, f"did you mean '{close[0]}'?" if close else "")
    if not ending:
        remedy = "give its name the ending of its kind, such as .csv or .txt for text"
    raise DataError(
        f"The table '{path.name}' has an unknown ending",
        expected=", ".join(endings),
        found=ending or "no ending",
        suggestion=remedy,
    )


def _folder(path: Path, endings: Sequence[str]) -> DataError:
    """Return the error for a folder that is no table, with the tables in it."""
    tables = sorted(p.name for p in path.iterdir() if p.suffix.lower() in endings)[:1000]
    return DataError(
        f"'{path}' is a folder and not a table",
        expected="a file, a Zarr folder, or a folder of Parquet files",
        found=f"a folder with {len(tables)} tables" if len(tables) > 1 else "a folder",
        suggestion=f"give one of its files, such as {path / tables[0]}" if tables else "",
    )
