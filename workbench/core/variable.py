"""A named quantity with its symbol, unit and bounds: said once, used by every form, plot and file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.core.errors import SpecError


@dataclass(frozen=True)
class Variable:
    """One scalar component of ``x`` or ``y``.

    Parameters
    ----------
    name : identifier in data sets, files and on the command line.
    symbol : how it is written in a plot (defaults to the name).
    unit : SI or domain unit; empty for a pure number.
    low, high : bounds that a value must lie in (infinite where there are none).
    description : one sentence for tooltips.
    categories : how many, for a variable that holds one of 0, 1, 2, … as a name and not as an amount; 0 for
        a quantity. Categories are not standardised.
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
        """Symbol and unit, as an axis shows them."""
        symbol = self.symbol or self.name
        return f"{symbol} [{self.unit}]" if self.unit else symbol

    def to_dict(self) -> dict:
        """JSON-ready; infinite bounds are left out."""
        values = {
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
    def from_dict(cls, values: dict) -> Variable:
        unknown = set(values) - {"name", "symbol", "unit", "description", "low", "high", "categories"}
        if unknown:
            raise SpecError("A variable was described with unknown keys", found=", ".join(sorted(unknown)))
        return cls(**values)


def named(variables: Sequence[Variable], most: int = 6) -> str:
    """Their names for a sentence; of many the first ones and the last."""
    names = [v.name for v in variables]
    return ", ".join(names if len(names) <= most else [*names[: most - 1], "…", names[-1]])
