"""Checks of the arguments of the bounds in `workbench.theory`.

Each returns its argument as a float, or raises `SpecError` for an impossible value.
"""

from __future__ import annotations

import math

from workbench.core.errors import IncompatibleError, SpecError


def number(name: str, value: float) -> float:
    """Return ``value`` as a float; raise `SpecError` unless it is finite.

    The error message calls it ``name``, here and in the other checks of this module.
    """
    value = float(value)
    if not math.isfinite(value):
        raise SpecError(f"A bound needs {name} as a number", expected="a finite number", found=str(value))
    return value


def inside(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> float:
    """Return ``value`` as a float; raise `SpecError` (see `number`) outside [low, high].

    With ``open_low`` the range is (low, high].
    """
    value = number(name, value)
    if value < low or value > high or (open_low and value == low):
        bracket = "(" if open_low else "["
        raise SpecError(
            f"A bound needs {name} within its range",
            expected=f"{bracket}{low:g}, {high:g}]",
            found=f"{value:g}",
        )
    return value


def positive(name: str, value: float) -> float:
    """Return ``value`` as a float; raise `SpecError` (see `number`) unless it is finite and above 0."""
    value = number(name, value)
    if value <= 0:
        raise SpecError(f"A bound needs {name} above 0", expected="a positive number", found=f"{value:g}")
    return value


def not_negative(name: str, value: float, tolerance: float = 0.0) -> float:
    """Return ``value`` as a float; raise `SpecError` (see `number`) unless finite and >= -``tolerance``."""
    value = number(name, value)
    if value < -tolerance:
        raise SpecError(f"A bound needs {name} of at least 0", expected="0 or more", found=f"{value:g}")
    return value


def at_least_one(name: str, value: float) -> float:
    """Return ``value`` as a float; raise `SpecError` (see `number`) unless it is finite and at least 1."""
    value = number(name, value)
    if value < 1:
        raise SpecError(f"A bound needs {name} of at least 1", expected="1 or more", found=f"{value:g}")
    return value


def refuse(asked: str, reason: str) -> IncompatibleError:
    """Return an `IncompatibleError` that a theorem does not apply to a divergence; the caller raises it.

    ``asked`` says what was wanted, ``reason`` why it is not possible.
    """
    return IncompatibleError(asked, found=reason, suggestion="take an f-divergence with a Pinsker constant")
