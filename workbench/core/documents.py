"""Texts and JSON from users and other programs: read in one place, with an error for all that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.core.errors import FileError, SpecError, WorkbenchError

#: Largest text that is read, in bytes; an experiment has a few thousand.
LARGEST_TEXT = 64 * 1024**2


def read_text(path: str | Path, title: str, error: type[WorkbenchError] = SpecError) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises `FileError` for a file that is missing or cannot be read, and ``error`` for one of another encoding
    or with more than `LARGEST_TEXT` bytes; ``title`` begins its sentence, as in "The experiment's file".
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(LARGEST_TEXT + 1)
    except OSError as cause:
        raise FileError.of(cause) from cause
    except ValueError as cause:  # a path with a NUL, or letters that no path has
        raise FileError(
            f"{title} cannot be opened", expected="the path of a file", found=str(cause)
        ) from cause
    if len(data) > LARGEST_TEXT:
        raise error(f"{title} is too large", expected=f"at most {LARGEST_TEXT} bytes", found="more")
    return decoded(data, title, error)


def decoded(data: bytes, title: str, error: type[WorkbenchError] = SpecError) -> str:
    """Decode bytes in UTF-8, with or without a byte order mark. Raises ``error`` for another encoding."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(
            f"{title} is not a text in UTF-8",
            expected="a text file",
            found=f"the byte {data[cause.start]:#04x} at position {cause.start}",
            suggestion="save it as UTF-8",
        ) from cause


def read_json(text: str | bytes, title: str, error: type[WorkbenchError] = SpecError) -> Any:
    """Parse JSON: any nesting that is read, numbers of any length that fit.

    Raises ``error`` for a text that is no JSON, for one nested too deeply, and for a whole number of
    thousands of digits; ``title`` begins its sentence.
    """
    if isinstance(text, bytes):
        text = decoded(text, title, error)
    try:
        return json.loads(text)
    except json.JSONDecodeError as cause:
        empty = "an empty text" if not text.strip() else str(cause)
        raise error(f"{title} is not JSON", expected="JSON", found=empty) from cause
    except RecursionError as cause:
        raise error(
            f"{title} is nested too deeply", expected="tables in a few levels", found="thousands of levels"
        ) from cause
    except ValueError as cause:  # a number with more digits than Python converts
        raise error(
            f"{title} holds a number that cannot be read",
            expected="numbers of usual size",
            found=str(cause)[:120],
        ) from cause
