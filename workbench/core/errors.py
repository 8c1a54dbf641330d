"""Errors that a user can act on: what was asked, what was expected, what was found, what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WorkbenchError(Exception):
    """Base of every error that the workbench raises on purpose.

    Parameters
    ----------
    asked : what the user (or the calling code) wanted, as a sentence.
    expected, found, suggestion : what would have been right, what was there instead, and what to try.
    """

    def __init__(self, asked: str, *, expected: str = "", found: str = "", suggestion: str = "") -> None:
        self.asked, self.expected, self.found, self.suggestion = asked, expected, found, suggestion
        parts = [asked.rstrip(".") + "."]
        if expected:
            parts.append(f"Expected: {expected.rstrip(chr(46))}.")
        if found:
            parts.append(f"Found: {found.rstrip(chr(46))}.")
        if suggestion:
            parts.append(
                suggestion[0].upper()
                + suggestion[1:].rstrip(".?")
                + ("?" if suggestion.endswith("?") else ".")
            )
        super().__init__(" ".join(parts))

    def __reduce__(self):
        # keyword-only arguments would otherwise be lost on the way from a worker process
        return _rebuild, (type(self), self.asked, self.expected, self.found, self.suggestion)


def _rebuild(kind, asked, expected, found, suggestion):
    return kind(asked, expected=expected, found=found, suggestion=suggestion)


class SpecError(WorkbenchError, ValueError):
    """A setting or a key is unknown, out of bounds or of the wrong type."""


class IncompatibleError(WorkbenchError, ValueError):
    """Problem, architecture and objective do not fit together."""


class DataError(WorkbenchError, ValueError):
    """The user's own data or simulator cannot be used as it is."""


class NonFiniteError(WorkbenchError, ArithmeticError):
    """Training produced numbers that are not finite, and going back did not help."""


class RunError(WorkbenchError, RuntimeError):
    """A run cannot do what was asked of it (not found, damaged, already stopped)."""


class ExportError(WorkbenchError, RuntimeError):
    """A format that this model cannot be exported to, or an export that did not match the model."""


class RefusedError(WorkbenchError, ValueError):
    """A file from outside that is refused: damaged, changed, too new or unknown."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """The closest option as a question, or an empty string."""
    close = difflib.get_close_matches(str(name), [str(o) for o in options], n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else ""


def unknown(
    noun: str, name: object, options: Iterable[str], error: type[WorkbenchError] = SpecError
) -> WorkbenchError:
    """The error to raise for a name that is not among the options, with the closest one as a suggestion."""
    names = [str(option) for option in options]
    return error(
        f"There is no {noun} '{name}'",
        expected=", ".join(names) or "none: there are no options",
        found=str(name),
        suggestion=did_you_mean(str(name), names),
    )
