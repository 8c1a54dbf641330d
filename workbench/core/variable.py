"""Variables: named quantities with symbol, unit and bounds, defined once for every form, plot and file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.core.argument_kinds import describe
from workbench.core.entries import public
from workbench.core.errors import SpecError, unknown
from workbench.core.grids import Coordinates, checked_coordinates
from workbench.core.numbers import plain

_KEYS = (
    "name",
    "symbol",
    "unit",
    "description",
    "low",
    "high",
    "categories",
    "scale",
    "levels",
    "period",
    "labels",
    "coordinates",
)
SCALES = ("linear", "log", "robust")
#: Value of `Variable.levels` for whole numbers whose largest value is unknown, such as counts.
OPEN_LEVELS = -1


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
    scale : "linear", "log" for a positive quantity that a network learns by its logarithm, or "robust" for
        one with heavy tails, learned by t = asinh((v - median)/width of the bulk).
    levels : L >= 2 for a variable that takes the L whole numbers low, low + 1, …, low + L - 1 (low is 0
        where it is not given), `OPEN_LEVELS` for whole numbers from ``low`` to ``high``, 0 for a continuous
        variable. In training a uniform number from -1/2 to 1/2 is added; samples are rounded. Densities are
        those of the sum: the probability of k is their integral from k - 1/2 to k + 1/2, close to their value
        at k.
    period : period of a cyclic variable such as an angle or the hour of the day, which takes values from low
        (0 where it is not given) to low + period; 0 for a variable that is not cyclic.
    labels : texts of the categories 0, 1, 2, …; empty where the categories are numbers.
    coordinates : place of a component of a vector on its grid, as pairs of dimension and coordinate such as
        ``("z", 10.0)``; empty where it has none. Variables that differ in them alone are equal.
    """

    name: str
    symbol: str = ""
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    description: str = ""
    categories: int = 0
    scale: str = "linear"
    levels: int = 0
    period: float = 0.0
    labels: tuple[str, ...] = ()
    coordinates: Coordinates = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name in ("low", "high", "categories", "levels", "period"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        if not isinstance(self.name, str) or not self.name.strip():
            raise SpecError("A variable needs a name", expected="a non-empty text", found=describe(self.name))
        self._check_types()
        if not self.low < self.high:
            raise SpecError(
                f"The bounds of variable '{self.name}' are not an interval",
                expected="low < high",
                found=f"low={self.low}, high={self.high}",
            )
        if self.scale not in SCALES:
            raise unknown("scale", str(self.scale), SCALES, owner=f"The variable '{self.name}'")
        if (
            isinstance(self.levels, bool)
            or self.levels != int(self.levels)
            or (self.levels < OPEN_LEVELS or self.levels == 1)
        ):
            self._refuse("levels", "a number of levels from 2 on, 0 or -1 (open)", self.levels)
        if not (math.isfinite(self.period) and self.period >= 0):
            self._refuse("period", "a positive number, or 0", self.period)
        kinds = [k for k in ("categories", "levels", "period") if getattr(self, k)]
        kinds += [f"scale='{self.scale}'"] if self.scale != "linear" else []
        if len(kinds) > 1:
            self._refuse("kind", "one of categories, levels, period and scale", " and ".join(kinds))
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        if self.labels and len(self.labels) != self.categories:
            self._refuse("labels", f"one for each of {self.categories} categories", len(self.labels))
        try:
            object.__setattr__(self, "coordinates", checked_coordinates(self.coordinates))
        except (TypeError, ValueError):
            self._refuse("coordinates", "pairs of a dimension and a coordinate", describe(self.coordinates))
        self._complete_bounds()

    def _check_types(self) -> None:
        """Raise `SpecError` for the first field that is no number, no text or no list of texts."""
        for name in ("low", "high", "categories", "levels", "period"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                self._refuse(name, "a number", describe(value))
        for name in ("categories", "levels"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value == int(value) and abs(value) < 2**53):
                self._refuse(name, "a whole number", value)
        for name in ("symbol", "unit", "description", "scale"):
            if not isinstance(getattr(self, name), str):
                self._refuse(name, "a text", describe(getattr(self, name)))
        if isinstance(self.labels, str) or not isinstance(self.labels, Iterable):
            self._refuse("labels", "a list of texts", describe(self.labels))

    def _refuse(self, noun: str, expected: str, value: Any) -> None:
        raise SpecError(
            f"The {noun} of variable '{self.name}' cannot be used", expected=expected, found=str(value)
        )

    def _complete_bounds(self) -> None:
        """Set the bounds that follow from the kind of the variable; raise `SpecError` where they disagree."""
        low, high = self.low, self.high
        if self.scale == "log":
            if high <= 0:
                self._refuse("bounds", "a positive range for scale='log'", f"high={high}")
            low = max(low, 0.0)
        elif self.levels or self.period:
            low = 0.0 if low == -math.inf and self.levels != OPEN_LEVELS else low
            top = low + (self.levels - 1 if self.levels > 0 else self.period or math.inf)
            if math.isfinite(high) and math.isfinite(top) and high != top:
                self._refuse("bounds", f"high={top:g}, which follows from low and its kind", f"high={high:g}")
            high = min(high, top)
            if self.levels and any(math.isfinite(v) and v != round(v) for v in (low, high)):
                self._refuse("bounds", "whole numbers, since its values are", f"low={low}, high={high}")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def support(self) -> tuple[float, float]:
        """Edges of the density that a network learns: the bounds, half a level wider for whole numbers."""
        margin = 0.5 if self.levels else 0.0
        return self.low - margin, self.high + margin

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
        for key, default in (("categories", 0), ("scale", "linear"), ("levels", 0), ("period", 0.0)):
            if getattr(self, key) != default:
                values[key] = getattr(self, key)
        if self.labels:
            values["labels"] = list(self.labels)
        if self.coordinates:
            values["coordinates"] = [list(pair) for pair in self.coordinates]
        if math.isfinite(self.low):
            values["low"] = self.low
        if math.isfinite(self.high):
            values["high"] = self.high
        return values

    @classmethod
    @public
    def from_dict(cls, values: dict[str, Any]) -> Variable:
        """Build from a dict as `to_dict` returns it. Raises `SpecError` for unknown keys."""
        for key in values:
            if key not in _KEYS:
                raise unknown("key", key, _KEYS, owner="The description of a variable")
        if "name" not in values:
            raise SpecError(
                "A variable needs a name", expected="the key 'name'", found=", ".join(values) or "none"
            )
        return cls(**values)


def named(variables: Sequence[Variable], most: int = 6) -> str:
    """Return the variables' names in one string; of more than ``most``, the first few and the last."""
    names = [v.name for v in variables]
    return ", ".join(names if len(names) <= most else [*names[: most - 1], "…", names[-1]])
