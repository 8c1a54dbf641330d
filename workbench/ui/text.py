"""How numbers, states and errors are written on the screen."""

from __future__ import annotations

import html
import math

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
}


def counter(iteration: int) -> str:
    """An iteration as the counter shows it: zero-padded, grouped by threes."""
    digits = f"{max(0, int(iteration)):06d}"
    return f"{digits[:-3]} {digits[-3:]}"


def number(value: float | None, digits: int = 3) -> str:
    """A number in few characters of about constant width; a dash for what is not there."""
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
    """-7 -> ⁻⁷"""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    seconds = max(0.0, float(seconds))
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def label(name: str) -> str:
    """A setting's identifier as a form shows it."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def sentence(error: BaseException) -> str:
    """What a user reads of an error: our own errors as they are, others without a traceback."""
    if isinstance(error, WorkbenchError):
        return str(error)
    found = str(error).strip().splitlines()
    return (
        f"Something went wrong that the workbench did not expect ({type(error).__name__}"
        f"{': ' + found[0][:200] if found else ''}). The server's log has the details."
    )


def escape(text: str) -> str:
    """Text of a user or of a file, safe inside HTML."""
    return html.escape(str(text), quote=True)
