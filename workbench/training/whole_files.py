"""Files that are written whole or not at all, read with a reason where they are damaged, and swept."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.core.errors import RunError

#: Name of a temporary file: of the file that it becomes, and eight digits.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")
#: Age in seconds, by the disk's own clock, from which a temporary file counts as left by a killed writer.
_LEFT_BEHIND = 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader, or a crash, finds either the old content or the new one.

    Temporary files of the same target that a killed writer left an hour ago or earlier are removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            now = os.fstat(stream.fileno()).st_mtime
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sweep(path.parent, of=path.name, before=now - _LEFT_BEHIND)


def _temporary(path: Path) -> Path:
    if not path.name:  # such as an empty text
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def sweep(folder: Path, *, of: str = "", before: float = float("inf")) -> list[str]:
    """Remove temporary files of killed writers from a folder and return their names.

    Only those of the file named ``of``, if given, and of a modification time before ``before``.
    """
    names = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _TEMPORARY.fullmatch(entry.name) or (of and entry.name[1:-9] != of):
                continue
            with suppress(OSError):  # gone in the meantime, or not ours
                if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < before:
                    os.unlink(entry.path)
                    names.append(entry.name)
    return sorted(names)


def replace_by_link(source: Path, target: Path) -> None:
    """Let ``target`` have the content of ``source``, by a hard link or, on a disk without them, by a copy."""
    temporary = _temporary(target)
    try:
        try:
            os.link(source, temporary)
        except FileNotFoundError:
            raise
        except OSError:
            return write_whole(target, source.read_bytes())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)  # a link to the same file is not moved


def append_lines(path: Path, lines: list[str]) -> None:
    """Append lines to a text file: all of them, or none where the disk is full."""
    with open(path, "ab") as stream:
        end = stream.seek(0, os.SEEK_END)
        try:
            stream.write("".join(f"{line}\n" for line in lines).encode())
            stream.flush()
        except OSError:
            with suppress(OSError):
                os.ftruncate(stream.fileno(), end)
            raise


def age(path: Path) -> float:
    """Return the seconds since a file was written, both times by the clock of the disk that holds it.

    The clocks of two machines that share a disk may differ by hours. Raises `OSError` for a missing file, and
    for a folder in which nothing can be written.
    """
    probe = path.with_name(f".now.{secrets.token_hex(4)}")
    try:
        with open(probe, "wb") as stream:
            stream.write(b"0")
            stream.flush()
            now = os.fstat(stream.fileno()).st_mtime
    finally:
        probe.unlink(missing_ok=True)
    return now - path.stat().st_mtime


def disk_full(error: BaseException | None) -> bool:
    """Test whether an error says that the disk, a quota or a limit on file sizes leaves no room."""
    return isinstance(error, OSError) and error.errno in _FULL


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises `FileNotFoundError` where there is none, and `RunError` with the reason for a damaged one; ``what``
    names it in that sentence.
    """
    try:
        values = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            f"{what} is damaged", expected="one JSON object", found=f"{path.name} {_reason(path, error)}"
        ) from error
    if not isinstance(values, dict):
        content = f"{path.name} holds {_NOUNS.get(type(values), 'nothing')}"
        raise RunError(f"{what} is damaged", expected="one JSON object", found=content)
    return values


_NOUNS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}


def _reason(path: Path, error: Exception) -> str:
    """Say in a few words why a file cannot be read as JSON."""
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return "is a folder"
    if isinstance(error, PermissionError):
        return "may not be read by this user"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if not isinstance(error, json.JSONDecodeError):
        return f"cannot be read ({error})"
    return f"is not JSON ({error})" if error.doc.strip() else "is empty"
