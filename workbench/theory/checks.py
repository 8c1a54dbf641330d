"""Checks of the arguments of bounds, which raise `SpecError` for values without a meaning."""

from __future__ import annotations

import math

from workbench.core.errors import IncompatibleError, SpecError


def number(name: str, value: float) -> float:
    """Return ``value`` as a float; it must be finite. ``name`` stands in the error."""
    value = float(value)
    if not math.isfinite(value):
        raise SpecError(f"A bound needs {name} as a number", expected="a finite number", found=str(value))
    return value


def inside(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> float:
    """Return ``value`` as a float in [low, high], or in (low, high] with ``open_low``."""
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
    """Return ``value`` as a finite float above 0."""
    value = number(name, value)
    if value <= 0:
        raise SpecError(f"A bound needs {name} above 0", expected="a positive number", found=f"{value:g}")
    return value


def not_negative(name: str, value: float, tolerance: float = 0.0) -> float:
    """Return ``value`` as a finite float of at least 0, up to rounding by ``tolerance``."""
    value = number(name, value)
    if value < -tolerance:
        raise SpecError(f"A bound needs {name} of at least 0", expected="0 or more", found=f"{value:g}")
    return value


def at_least_one(name: str, value: float) -> float:
    """Return ``value`` as a finite float of at least 1."""
    value = number(name, value)
    if value < 1:
        raise SpecError(f"A bound needs {name} of at least 1", expected="1 or more", found=f"{value:g}")
    return value


def refuse(asked: str, reason: str) -> IncompatibleError:
    """Return the error for a divergence to which a theorem does not apply."""
    return IncompatibleError(asked, found=reason, suggestion="take an f-divergence with a Pinsker constant")
