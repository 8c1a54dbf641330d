"""Variables that differ by a number alone: x1, x2, …"""

from __future__ import annotations

from workbench.core.variable import Variable

_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def numbered(name: str, symbol: str, count: int, first: int = 1, **common) -> tuple[Variable, ...]:
    """``count`` variables called name1, name2, … with the number as a subscript of their symbol.

    ``common`` holds unit, bounds or description of all of them.
    """
    numbers = range(first, first + count)
    return tuple(Variable(f"{name}{i}", symbol + str(i).translate(_DIGITS), **common) for i in numbers)
