"""Variables: named quantities with symbol, unit and bounds, defined once for every form, plot and file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import SpecError, unknown

_KEYS = ("name", "symbol", "unit", "description", "low", "high", "categories")


@dataclass(frozen=True)
class Variable:
    """One scalar component of ``x`` or ``y``.

    Parameters
    ----------
    name : identifier in data sets, files and on the command line.
    symbol : label in plots (defaults to the name).
    unit : SI or domain unit; empty for a pure number.
    low, high : bounds that a value must lie in (infinite where there are none).
    description : one sentence for tooltips.
    categories : number of categories for a categorical variable, which takes the values 0, 1, 2, …; 0 for a
        quantity. Categorical variables are not standardised.
    """

    name: str
    symbol: str = ""
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    description: str = ""
    categories: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise SpecError("A variable needs a name", expected="a non-empty text", found=repr(self.name))
        if not self.low < self.high:
            raise SpecError(
                f"The bounds of variable '{self.name}' are not an interval",
                expected="low < high",
                found=f"low={self.low}, high={self.high}",
            )

    @property
    def label(self) -> str:
        """Axis label: symbol, and unit in brackets."""
        symbol = self.symbol or self.name
        return f"{symbol} [{self.unit}]" if self.unit else symbol

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dict; infinite bounds are left out."""
        values: dict[str, Any] = {
            "name": self.name,
            "symbol": self.symbol,
            "unit": self.unit,
            "description": self.description,
        }
        if self.categories:
            values["categories"] = self.categories
        if math.isfinite(self.low):
            values["low"] = self.low
        if math.isfinite(self.high):
            values["high"] = self.high
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Variable:
        """Build from a dict as `to_dict` returns it. Raises `SpecError` for unknown keys."""
        for key in values:
            if key not in _KEYS:
                raise unknown("key", key, _KEYS, owner="The description of a variable")
        return cls(**values)


def named(variables: Sequence[Variable], most: int = 6) -> str:
    """Return the variables' names in one string; of more than ``most``, the first few and the last."""
    names = [v.name for v in variables]
    return ", ".join(names if len(names) <= most else [*names[: most - 1], "…", names[-1]])
