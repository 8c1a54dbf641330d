"""Variables whose names differ only by a number: x1, x2, …"""

from __future__ import annotations

from typing import Any

from workbench.core.variable import Variable

_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def numbered(name: str, symbol: str, count: int, first: int = 1, **common: Any) -> tuple[Variable, ...]:
    """Return ``count`` variables called name1, name2, … with the number as a subscript of the symbol.

    ``common`` holds the unit, bounds or description that they share.
    """
    numbers = range(first, first + count)
    return tuple(Variable(f"{name}{i}", symbol + str(i).translate(_DIGITS), **common) for i in numbers)
