"""The zip around an exported model: written the same way each time, read with every size known beforehand.

Members are stored, not compressed, so that a small file cannot unpack to a large one, and nothing is ever
unpacked to the disk, so that a member's name cannot lead anywhere.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from workbench.core.errors import RefusedError
from workbench.training.folder import write_whole

#: A fixed date makes the same model the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
#: No model of this workbench is larger than this; a larger file is not read.
LARGEST_FILE = 512 * 1024**2


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    """Write the members in this order; a crash leaves the old file or the new one."""
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
    """The members named in ``limits`` (name -> most bytes), all but the ``optional`` ones and no others.
    Raises `RefusedError`."""
    asked = f"The file '{path.name}' cannot be opened as an exported model"
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise RefusedError(asked, expected="a file", found="a folder")
        if size > largest:
            raise RefusedError(asked, expected=f"at most {largest} bytes", found=f"{size} bytes")
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
            absent = set(optional) - {member.filename for member in found}
            limits = {name: limit for name, limit in limits.items() if name not in absent}
            _check_members(asked, found, limits)
            # reads at most what was declared, so that a false declaration gains nothing
            return {name: _read(archive, name, limit) for name, limit in limits.items()}
    except FileNotFoundError as error:
        raise RefusedError(asked, expected="a file", found=f"nothing at {path}") from error
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
        raise RefusedError(
            asked, expected="a zip file written by wb.save", found=str(error) or type(error).__name__
        ) from error


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as stream:
        return stream.read(limit + 1)


def _check_members(asked: str, found: list[zipfile.ZipInfo], limits: dict[str, int]) -> None:
    names = [member.filename for member in found]
    listed = ", ".join(repr(name[:80]) for name in names[:8]) or "an empty zip"
    if len(names) > len(limits) or sorted(names) != sorted(limits):
        missing, extra = sorted(set(limits) - set(names)), sorted(set(names) - set(limits))
        what = [
            f"{title}: {', '.join(n[:80] for n in some[:5])}"
            for title, some in (("missing", missing), ("not expected", extra))
            if some
        ]
        raise RefusedError(
            asked,
            expected=f"exactly the members {', '.join(limits)}",
            found="; ".join(what) or f"a member twice, in {listed}",
        )
    for member in found:
        if (
            member.compress_type != zipfile.ZIP_STORED
            or member.flag_bits & 0x1
            or member.compress_size != member.file_size
        ):
            raise RefusedError(
                asked,
                expected="members stored as they are",
                found=f"'{member.filename}' compressed or encrypted",
                suggestion="use the file as wb.save wrote it",
            )
        if member.file_size > limits[member.filename]:
            raise RefusedError(
                asked,
                expected=f"'{member.filename}' with at most {limits[member.filename]} bytes",
                found=f"{member.file_size} bytes",
            )
