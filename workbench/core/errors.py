"""Errors that a user can act on: they say what was asked, expected and found, and what to try."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable
from typing import Any


class WorkbenchError(Exception):
    """Base of every error that the workbench raises on purpose.

    Parameters
    ----------
    asked : the request that failed, as a sentence.
    expected, found, suggestion : the valid input, the actual input, and what to try.
    """

    def __init__(self, asked: str, *, expected: str = "", found: str = "", suggestion: str = "") -> None:
        self.asked, self.expected, self.found, self.suggestion = asked, expected, found, suggestion
        parts = [_with_stop(asked)]
        if expected:
            parts.append(f"Expected: {_with_stop(expected)}")
        if found:
            parts.append(f"Found: {_with_stop(found)}")
        if suggestion:
            parts.append(_with_stop(suggestion[0].upper() + suggestion[1:]))
        super().__init__(" ".join(parts))

    def __reduce__(self) -> tuple[Any, ...]:
        # keyword-only arguments would otherwise be lost on the way from a worker process
        return _rebuild, (type(self), self.asked, self.expected, self.found, self.suggestion)


def _with_stop(text: str) -> str:
    """End a text with one full stop, unless it ends with a question mark."""
    text = text.rstrip(".")
    return text if text.endswith("?") else f"{text}."


def _rebuild(
    kind: type[WorkbenchError], asked: str, expected: str, found: str, suggestion: str
) -> WorkbenchError:
    return kind(asked, expected=expected, found=found, suggestion=suggestion)


class SpecError(WorkbenchError, ValueError):
    """An unknown setting or key, or a value out of bounds or of the wrong type."""


class PositionError(SpecError, IndexError):
    """A position in a sequence that is beyond its end."""


class IncompatibleError(WorkbenchError, ValueError):
    """Choices that cannot be used together, such as a problem and an objective."""


class DataError(WorkbenchError, ValueError):
    """Data, observation or simulator that cannot be used, such as a table with too few rows."""


class NonFiniteError(WorkbenchError, ArithmeticError):
    """Training that produced values that are not finite, even after rolling back."""


class RunError(WorkbenchError, RuntimeError):
    """A run that is missing, damaged or stopped, or cannot do what it was asked to."""


class ExportError(WorkbenchError, RuntimeError):
    """An export that this model does not allow, or whose output differs from the model's."""


class RefusedError(WorkbenchError, ValueError):
    """A file that is not loaded: damaged, modified, too new or of an unknown kind."""


class FileError(WorkbenchError, OSError):
    """A file or folder that cannot be read or written, for a reason that the operating system gives."""

    def __str__(self) -> str:
        return str(self.args[0])  # OSError would write its number alone once that is set

    @classmethod
    def of(cls, error: OSError) -> FileError:
        """Return, and do not raise, the error for one of the operating system; it has the same ``errno``."""
        name = os.fspath(error.filename) if isinstance(error.filename, str | os.PathLike) else ""
        name = _TEMPORARY.sub(r"\1\2", name)
        result = cls(
            f"The file '{name}' cannot be read or written" if name else "A file cannot be read or written",
            found=(error.strerror or str(error) or type(error).__name__).lower(),
            suggestion=_FILE_REMEDIES.get(error.errno or 0, ""),
        )
        result.errno, result.strerror, result.filename = error.errno, error.strerror, error.filename
        return result


#: A temporary file, which is moved into place when it is whole: folder, name of the file, eight digits.
_TEMPORARY = re.compile(r"(^|.*[/\\])\.(.+)\.[0-9a-f]{8}$")
#: What to try where the operating system refuses a file, by its number of the error.
_FILE_REMEDIES = {
    errno.ENOENT: "check the path",
    errno.EACCES: "choose a file or folder that you may use",
    errno.EPERM: "choose a file or folder that you may use",
    errno.EROFS: "choose a file or folder that you may use",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "check the path: a part of it is a file, not a folder",
    errno.ENOSPC: "make room on the disk",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class MemoryShortage(WorkbenchError, MemoryError):
    """A request for more numbers than fit into memory."""

    @classmethod
    def of(cls, title: str) -> MemoryShortage:
        """Return, and do not raise, the error for a call that ran out of memory; ``title`` names the call."""
        return cls(
            f"There is not enough memory for {title}", suggestion="ask for less, or for it in several parts"
        )


def is_memory_error(error: BaseException) -> bool:
    """Test whether an error says that memory ran out; PyTorch says so by a `RuntimeError`."""
    text = str(error) if isinstance(error, RuntimeError) else ""
    return (
        isinstance(error, MemoryError)
        or "not enough memory" in text
        or "can't allocate memory" in text
        or "out of memory" in text
    )


class DataWarning(UserWarning):
    """Data that can be used, but whose results may surprise, such as a column with far values."""


class RunWarning(UserWarning):
    """A run's folder that can be used although a part of it is damaged."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return "did you mean 'OPTION'?" with the option closest to ``name``; "" where none is close."""
    close = difflib.get_close_matches(str(name), [str(o) for o in options], n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else ""


def unknown(
    noun: str,
    name: object,
    options: Iterable[str],
    error: type[WorkbenchError] = SpecError,
    *,
    owner: str = "",
    expected: str = "",
    suggestion: str = "",
) -> WorkbenchError:
    """Return, and do not raise, the error for a name that is not among the options; it suggests the closest.

    Parameters
    ----------
    noun : what the options are, such as "setting".
    error : class of the error.
    owner : what the options belong to; the message is then "OWNER has no NOUN 'NAME'".
    expected : the options in words; by default their list.
    suggestion : what to try where no option is close.
    """
    names = [str(option) for option in options]
    return error(
        f"{owner} has no {noun} '{name}'" if owner else f"There is no {noun} '{name}'",
        expected=expected or ", ".join(names) or "none: there are no options",
        found=str(name),
        suggestion=did_you_mean(str(name), names) or suggestion,
    )
