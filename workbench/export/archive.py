"""The zip archive of an exported model: written reproducibly, and read with limits on every size.

The files in it are stored, not compressed, so that a small archive cannot unpack to a large one, and nothing
is ever unpacked to the disk, so that a file's name cannot lead anywhere.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from workbench.core.errors import RefusedError

#: Date of every file in an archive, fixed so that the same model gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
#: Largest archive that is read, in bytes; no model of this workbench is larger.
LARGEST_FILE = 512 * 1024**2


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    """Write files (name -> content) into an archive in this order; a crash leaves the old archive or the
    new one."""
    from workbench.training.folder import write_whole

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data)
    write_whole(path, buffer.getvalue())


def read_archive(
    path: Path,
    limits: dict[str, int],
    *,
    optional: frozenset[str] = frozenset(),
    largest: int = LARGEST_FILE,
) -> dict[str, bytes]:
    """Read the files named in ``limits`` (name -> largest number of bytes) from an archive: name -> content.

    Those in ``optional`` may be missing. Raises `RefusedError` where another file is missing, too large or
    not in ``limits``, or where the archive has more than ``largest`` bytes or is damaged.
    """
    refusal = f"The file '{path.name}' cannot be opened as an exported model"
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise RefusedError(
                refusal,
                expected="a file written by wb.save",
                found="a folder",
                suggestion="open a run's folder with wb.Run.resume",
            )
        if size > largest:
            raise RefusedError(refusal, expected=f"at most {largest} bytes", found=f"{size} bytes")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            absent = set(optional) - {member.filename for member in entries}
            limits = {name: limit for name, limit in limits.items() if name not in absent}
            _check_members(refusal, entries, limits)
            # reads no more than the limit, whatever size the entry declares
            return {name: _read(archive, name, limit) for name, limit in limits.items()}
    except FileNotFoundError as error:
        raise RefusedError(refusal, expected="a file", found=f"nothing at {path}") from error
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        if isinstance(error, RefusedError):
            raise
        text = str(error) or type(error).__name__
        content = (
            "a file of another kind" if text == "File is not a zip file" else text[:1].lower() + text[1:]
        )
        raise RefusedError(refusal, expected="a zip file written by wb.save", found=content) from error


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as stream:
        return stream.read(limit + 1)


def _check_members(refusal: str, entries: list[zipfile.ZipInfo], limits: dict[str, int]) -> None:
    names = [member.filename for member in entries]
    contents = ", ".join(repr(name[:80]) for name in names[:8]) or "an empty zip"
    if len(names) > len(limits) or sorted(names) != sorted(limits):
        missing, extra = sorted(set(limits) - set(names)), sorted(set(names) - set(limits))
        differences = [
            f"{title}: {', '.join(n[:80] for n in some[:5])}"
            for title, some in (("missing", missing), ("not expected", extra))
            if some
        ]
        raise RefusedError(
            refusal,
            expected=f"exactly the members {', '.join(limits)}",
            found="; ".join(differences) or f"a member twice, in {contents}",
        )
    for member in entries:
        if (
            member.compress_type != zipfile.ZIP_STORED
            or member.flag_bits & 0x1
            or member.compress_size != member.file_size
        ):
            raise RefusedError(
                refusal,
                expected="members stored as they are",
                found=f"'{member.filename}' compressed or encrypted",
                suggestion="use the file as wb.save wrote it",
            )
        if member.file_size > limits[member.filename]:
            raise RefusedError(
                refusal,
                expected=f"'{member.filename}' with at most {limits[member.filename]} bytes",
                found=f"{member.file_size} bytes",
            )
