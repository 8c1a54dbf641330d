"""Format numbers, run states, settings and errors as text for the pages."""

from __future__ import annotations

import html
import math
import re

from workbench.core.errors import WorkbenchError

STATES = {
    "starting": "starting the worker …",
    "paused": "paused",
    "running": "training",
    "finished": "finished",
    "failed": "failed",
    "killed": "worker killed",
    "stopped": "stopped",
    "example": "finished",
    "none": "no run yet",
    "ready": "not started",
    "saved": "saved, not open",
}

#: A setting with its value, as in ``missing='drop'``.
_CODE = re.compile(r"\b\w+=['\"\[{(\d]")


def counter(iteration: int) -> str:
    """Format an iteration as a zero-padded counter, grouped by threes: 1234 -> 001 234."""
    digits = f"{max(0, int(iteration)):06d}"
    return f"{digits[:-3]} {digits[-3:]}"


def number(value: float | None, digits: int = 3) -> str:
    """Format a number in few characters of about constant width; None becomes a dash."""
    if value is None:
        return "–"
    value = float(value)
    if not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}·10{superscript(int(exponent))}"


def superscript(exponent: int) -> str:
    """Format an exponent in superscript digits: -7 -> ⁻⁷."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def duration(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours: 75 -> 1 min 15 s."""
    seconds = max(0.0, float(seconds))
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def label(name: str) -> str:
    """Return a setting's name as a form label: learning_rate -> Learning rate."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def sentence(error: BaseException) -> str:
    """Format an error as a sentence: a `WorkbenchError` in full, others as type and first line."""
    if isinstance(error, WorkbenchError):
        return str(error)
    lines = str(error).strip().splitlines()
    return (
        f"An unexpected error occurred ({type(error).__name__}"
        f"{': ' + lines[0][:200] if lines else ''}). The server's log has the details."
    )


def without_code(error: WorkbenchError, advice: str) -> str:
    """Format an error for people who clicked: ``advice`` replaces a suggestion that is written in Python."""
    suggestion = advice if _CODE.search(error.suggestion) else error.suggestion
    return str(type(error)(error.asked, expected=error.expected, found=error.found, suggestion=suggestion))


def escape(text: str) -> str:
    """Escape text from a user or a file for use in HTML."""
    return html.escape(str(text), quote=True)
