"""The checkpoints of a run's folder: the last two, with their digests.

``checkpoint.sha256`` lists the digests of both, and while one is being written also that of the next; a
checkpoint whose digest is not in the list has been changed by a fault of disk or memory, and is not loaded.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.core.errors import RunError
from workbench.core.lazy import torch
from workbench.training.whole_files import replace_by_link, write_whole

LATEST, PREVIOUS, DIGESTS = "checkpoint.pt", "checkpoint-previous.pt", "checkpoint.sha256"
_DIGEST = re.compile(r"[0-9a-f]{64}")

#: What a file is, while nobody writes it: inode, size and time in nanoseconds.
Version = tuple[int, int, int]


class CheckpointFiles:
    """Writes and reads the checkpoints in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._intact: Version | None = None  # of a latest checkpoint that was written or verified here
        self.refused: Version | None = None  # of a latest checkpoint that is not to be kept

    @property
    def exist(self) -> bool:
        """True once a checkpoint has been written."""
        return any((self.folder / name).is_file() for name in (LATEST, PREVIOUS))

    def version(self) -> Version | None:
        """Return a value that changes when the latest checkpoint does; None without one."""
        try:
            stat = (self.folder / LATEST).stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    # ---- writing
    def write(self, state: dict[str, Any]) -> None:
        """Write a dict of tensors, numbers and strings as the latest checkpoint, and keep the one before.

        A damaged or refused one is not kept: it would take the place of a good one.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        digests = self._digests() or []
        latest, intact = self.folder / LATEST, self._latest_is_intact(digests)
        if latest.is_file() and not digests:  # of an earlier version
            digests = [_digest(latest.read_bytes())]
        lines = [_digest(data), *digests][:3]
        write_whole(self.folder / DIGESTS, "".join(f"{line}\n" for line in lines).encode())
        if intact:
            replace_by_link(latest, self.folder / PREVIOUS)
        write_whole(latest, data)
        self._intact = self.version()

    def _latest_is_intact(self, digests: list[str]) -> bool:
        version = self.version()
        if version is None or version == self.refused or not (self.folder / LATEST).is_file():
            return False
        if version == self._intact or not digests:
            return True
        return _digest((self.folder / LATEST).read_bytes()) in digests

    def _digests(self) -> list[str] | None:
        """Return the listed digests; None where there is no list, or where none of it can be read."""
        try:
            text = (self.folder / DIGESTS).read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        return [line for line in text.split() if _DIGEST.fullmatch(line)] or None

    # ---- reading
    def read(self, name: str = LATEST) -> dict[str, Any]:
        """Read one checkpoint, without executing any code in it.

        Raises `RunError` where it is missing or damaged.
        """
        path, run = self.folder / name, self.folder.name
        noun = "latest checkpoint" if name == LATEST else "checkpoint before the latest"
        version = self.version()
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise RunError(f"The {noun} of run '{run}' is missing", expected=name, found="no file") from error
        except OSError as error:
            raise RunError(f"The {noun} of run '{run}' cannot be read", found=str(error)) from error
        digests = self._digests()
        if digests is not None and _digest(data) not in digests:
            raise RunError(
                f"The {noun} of run '{run}' is damaged",
                expected=f"the content that was written, with its digest in {DIGESTS}",
                found=f"another digest ({len(data)} bytes)",
            )
        try:
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            if not isinstance(state, dict):
                raise TypeError(f"a {type(state).__name__} in place of a dict")
        except Exception as error:
            raise RunError(f"The {noun} of run '{run}' is damaged", found=str(error)[:200]) from error
        if name == LATEST:
            self._intact = version
        return state

    def names(self) -> Iterator[str]:
        """Yield the names of the checkpoints to try, the latest first."""
        yield LATEST
        if (self.folder / PREVIOUS).is_file():
            yield PREVIOUS


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fallback(error: RunError, iteration: int) -> str:
    """Return the sentence for a run whose latest checkpoint is refused, and that stands at the one before."""
    cause = f"{error.asked.rstrip('.')}" + (f" ({error.found.rstrip('.')})" if error.found else "")
    return f"{cause}: the one before is used, at step {iteration}."
