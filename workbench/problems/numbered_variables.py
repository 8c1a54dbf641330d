"""Variables whose names differ only by a number: x1, x2, …"""

from __future__ import annotations

from typing import Any

from workbench.core.variable import Variable

_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def numbered(name: str, symbol: str, count: int, first: int = 1, **common: Any) -> tuple[Variable, ...]:
    """Return ``count`` variables called name1, name2, … (from ``first`` on), with symbols such as x₁, x₂, …

    ``common`` holds their shared unit, bounds or description.
    """
    numbers = range(first, first + count)
    return tuple(Variable(f"{name}{i}", symbol + str(i).translate(_DIGITS), **common) for i in numbers)
