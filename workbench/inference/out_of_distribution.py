"""Detection of observations unlike those of the training: a conformal test and a check of units.

Scores       Mahalanobis distance from the mean, which responds to outliers in any direction, and the distance
             to the fifth nearest reference observation in whitened units, which responds to holes and to
             points off a curved set; the latter also for the whitened normal scores of the components, which
             responds to combinations that do not occur, however skewed or heavy-tailed a component is.
Calibration  both scores of observations that are not among the reference ones. p value of a new observation:
             fraction of calibration observations that score at least as high, for each of the scores; the
             smallest fraction, times the number of scores. For an observation from the training's
             distribution, P(p ≤ α) ≤ α for every level α, whatever that distribution.
Unit         an observation ten standard deviations out in one component that would lie inside after
             multiplication by a power of ten is reported as a possible error of the unit.
Warning      a score 1.25 times the largest one of the calibration observations, or a p value of at most
             0.005, as at most one in two hundred observations from the training's distribution has.
Reach        smallest and largest value of every component among all reference and calibration observations.
Source: Mahalanobis 1936; Vovk, Gammerman and Shafer 2005 (conformal prediction); Knorr and Ng 1998 (distance
to neighbours).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.errors import DataError
from workbench.core.kinds_of_values import count_text, value_text
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.inference.column_values import outside_bounds
from workbench.inference.statistics import excess_p_value
from workbench.inference.whitened_scores import (
    LEVELS,
    MOST_WHITENED,
    NEIGHBOUR,
    RANKS,
    neighbour_distance,
    normal_scores,
    rank_tensors,
    whitening,
)

if TYPE_CHECKING:
    from torch import Tensor

MOST_REFERENCE, MOST_CALIBRATION = 1000, 2000
#: Largest number of values in all reference observations together: of long observations, fewer are kept.
MOST_NUMBERS = 250_000
#: Number of quantiles that replace the calibration scores in a file from which no row may be recovered.
QUANTILES = 32
#: Names of the tensors that `Typicality.state` returns.
STATE = ("mean", "whiten", "reference", "calibrated", "reach")
#: Standard deviations from the training's mean beyond which a component is an outlier (FAR), and within which
#: it is typical (INSIDE); largest exponent of the powers of ten that are tried as an error of the unit.
FAR, INSIDE, POWERS = 10.0, 4.0, 9
#: Tolerance when scores are compared, in whitened units, and the least score that others are divided by.
#: Equal observations differ by rounding errors, which whitening magnifies a thousand times along a direction
#: without variance.
ROUNDING, LEAST = 1e-3, 1e-2
#: Ratio to the largest calibration score beyond which a warning is issued.
BEYOND = 1.25
#: p value up to which a warning is issued; components of the nearest training observation that are named.
RARE, MOST_NAMED = 0.005, 6


class UnusualObservationWarning(UserWarning):
    """Warning of an observation unlike those of the training, for which the posterior is extrapolated."""


class Typicality:
    """Conformal test of whether an observation is typical of the training data, in standardised units.

    Parameters
    ----------
    reference, calibration : observations (n, M) and (m, M), n ≥ 2, m ≥ 1, without rows in common.
    """

    def __init__(self, reference: Tensor, calibration: Tensor) -> None:
        reference, calibration = (part.detach().to("cpu", torch.float64) for part in (reference, calibration))
        rows = torch.cat([reference, calibration])
        self._reach = torch.stack([rows.amin(0), rows.amax(0)])
        reference = reference[: min(MOST_REFERENCE, max(NEIGHBOUR, MOST_NUMBERS // reference.shape[1]))]
        self._mean = reference.mean(0)
        self._whiten = whitening(reference - self._mean)
        self._reference: Tensor | None = self._whitened(reference)
        self._ranks = rank_tensors(reference)
        self._scores_sorted = self._scores(calibration[:MOST_CALIBRATION]).sort(1).values

    @classmethod
    def split(cls, rows: Tensor, held_out: Tensor) -> Typicality | None:
        """Build from standardised training observations ``rows`` and held-out ones, (n, M) each.

        Up to half of ``rows`` are the reference; the others and those held out calibrate the scores. None for
        fewer than 20 observations or for observations without components.
        """
        if len(rows) + len(held_out) < 20 or not rows.shape[1]:
            return None
        count = min(MOST_REFERENCE, len(rows) // 2)
        return cls(rows[:count], torch.cat([held_out, rows[count:]]))

    def state(self, *, rows: bool = True) -> dict[str, Tensor]:
        """Return the state as tensors, for a file.

        Without ``rows`` no single observation can be recovered from it: the reach is rounded outwards, and
        the Mahalanobis scores are replaced by `QUANTILES` quantiles.
        """
        state = {
            "mean": self._mean,
            "whiten": self._whiten.contiguous(),
            "calibrated": self._scores_sorted,
            "reach": self._reach,
        }
        if self._reference is None:
            return state
        if rows:
            ranks = {name: value.contiguous() for name, value in self._ranks.items()}
            return state | {"reference": self._reference.float()} | ranks
        levels = torch.arange(1, QUANTILES, dtype=torch.float64) / QUANTILES
        farthest = (10 * self._scores_sorted[:1, -1]).ceil() / 10
        scores = torch.cat([torch.quantile(self._scores_sorted[0], levels), farthest])[None]
        reach = torch.stack([(10 * self._reach[0]).floor(), (10 * self._reach[1]).ceil()]) / 10
        return state | {"calibrated": scores, "reach": reach}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], components: int) -> Typicality:
        """Restore from the tensors of `state`, for observations of ``components`` values.

        Raises `DataError` for tensors that do not fit together.
        """
        tensors = {name: value.to("cpu", torch.float64) for name, value in state.items()}
        names = set(STATE) - (set() if "reference" in tensors else {"reference"})
        names |= set(RANKS) if "ranked" in tensors and "reference" in tensors else set()
        complete = set(tensors) == names and _consistent(tensors, components)
        if not complete or not all(value.isfinite().all() for value in tensors.values()):
            raise DataError(
                "The summary of the training's observations is damaged",
                expected=f"finite tensors {', '.join(sorted(names))} for {components} components",
                found=", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors.items())[:300],
            )
        test = cls.__new__(cls)
        test._mean, test._whiten, test._reach = tensors["mean"], tensors["whiten"], tensors["reach"]
        test._reference, test._scores_sorted = tensors.get("reference"), tensors["calibrated"].sort(1).values
        test._ranks = {name: tensors[name] for name in RANKS if name in tensors}
        return test

    @property
    def reach(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest value of every component (M,), in standardised units."""
        return self._reach[0], self._reach[1]

    def _whitened(self, y: Tensor) -> Tensor:
        deviation = y.detach().to("cpu", torch.float64) - self._mean
        return deviation * self._whiten if self._whiten.ndim == 1 else deviation @ self._whiten

    def _scores(self, y: Tensor) -> Tensor:
        """Return the scores (2 or 3, n) of observations (n, M); without reference rows only one, (1, n)."""
        white = self._whitened(y)
        far = white.norm(dim=1)
        if self._reference is None:
            return far[None]
        scores = [far, neighbour_distance(white, self._reference)]
        if self._ranks:
            y = y.detach().to("cpu", torch.float64)
            deviation = normal_scores(y, self._ranks["quantiles"]) - self._ranks["rank_mean"]
            scores.append(neighbour_distance(deviation @ self._ranks["rank_whiten"], self._ranks["ranked"]))
        return torch.stack(scores)

    def p_value(self, y: Tensor) -> Tensor:
        """Return the conformal p values (n,) of standardised observations (n, M); small ones are atypical."""
        count = self._scores_sorted.shape[1]
        above = count - torch.searchsorted(self._scores_sorted, self._scores(y) - ROUNDING, side="left")
        return (len(self._scores_sorted) * (1 + above.double()) / (1 + count)).amin(0).clamp(max=1.0)

    def shift_p_value(self, y: Tensor) -> float:
        """Return the p value of the hypothesis that observations (n, M) are distributed as in training."""
        return excess_p_value(self._scores_sorted.numpy(), (self._scores(y) - ROUNDING).numpy())

    def distance(self, y: Tensor) -> Tensor:
        """Return the largest ratio (n,) of a score of observations (n, M) to the farthest calibration one."""
        farthest = self._scores_sorted[:, -1:].clamp(min=LEAST)
        return (self._scores(y) / farthest).amax(0)

    def nearest(self, y: Tensor) -> Tensor | None:
        """Return the reference observation nearest to a standardised one (1, M), (1, M), both standardised.

        Nearest is meant in whitened units. None for a summary without rows.
        """
        if self._reference is None:
            return None
        row = self._reference[torch.cdist(self._whitened(y), self._reference).argmin()][None]
        if self._whiten.ndim == 1:
            return row / self._whiten + self._mean
        return torch.linalg.solve(self._whiten.T, row.T).T + self._mean

    @property
    def count(self) -> int:
        """Number of calibration observations; 0 for a summary without rows."""
        return 0 if self._reference is None else self._scores_sorted.shape[1]


def _consistent(tensors: Mapping[str, Tensor], components: int) -> bool:
    """Test whether tensors of `Typicality.state` have fitting shapes, for this number of components."""
    side = (components,) if components > MOST_WHITENED else (components, components)
    scores, reference = tensors["calibrated"], tensors.get("reference")
    if tuple(tensors["mean"].shape) != (components,) or tuple(tensors["whiten"].shape) != side:
        return False
    if tuple(tensors["reach"].shape) != (2, components) or scores.ndim != 2:
        return False
    ranks = [tensors[name] for name in RANKS if name in tensors]
    if (
        len(scores) != (1 if reference is None else 3 if ranks else 2)
        or not 1 <= scores.shape[1] <= MOST_CALIBRATION
    ):
        return False
    rows = 0 if reference is None or reference.ndim != 2 else len(reference)
    if ranks and [tuple(value.shape) for value in ranks] != [
        (LEVELS, components),
        (components,),
        (components, components),
        (rows, components),
    ]:
        return False
    return reference is None or (1 <= rows <= MOST_REFERENCE and reference.shape[1] == components)


def unit_doubts(
    values: Sequence[float],
    variables: Sequence[Variable],
    shift: Tensor,
    scale: Tensor,
    ranges: Sequence[Sequence[float]] | None = None,
) -> list[str]:
    """Report components far outside the training data that may be given in another unit, as sentences.

    There is one sentence per unit, with the power of ten that would make all values in this unit typical, if
    there is one. ``shift`` and ``scale`` (M,) are the training's means and standard deviations in data units,
    of the logarithm for a variable with a logarithmic scale, as `Standardisation.moments_y` returns them.
    ``ranges`` are the smallest and largest value (M, 2) of the training, if known.
    """
    ranges = ranges or [(-math.inf, math.inf)] * len(variables)
    rows = zip(values, variables, shift.tolist(), scale.tolist(), ranges, strict=True)
    parts = [_Part(*row) for row in rows]
    outliers = [part for part in parts if part.deviation > FAR]
    sentences = []
    for unit in dict.fromkeys(part.variable.unit for part in outliers):
        outside = [part for part in outliers if part.variable.unit == unit]
        same_unit = [part for part in parts if part.variable.unit == unit]
        sentences.append(_one(outside[0]) if len(outside) == 1 else _several(outside, same_unit))
    return sentences


@dataclass(frozen=True)
class _Part:
    """One component of an observation, with its mean and standard deviation in the training data.

    Both are those of the logarithm for a variable with a logarithmic scale. ``range`` are the smallest and
    largest value there.
    """

    value: float
    variable: Variable
    mean: float
    spread: float
    range: Sequence[float] = (-math.inf, math.inf)

    @property
    def deviation(self) -> float:
        """Distance from the training's mean in standard deviations."""
        distance = abs(self._place(self.value) - self.mean)
        return distance / self.spread if self.spread else math.inf if distance else 0.0

    @property
    def text(self) -> str:
        """Name, value and unit, as in "depth = 20 m"."""
        return f"{self.variable.name} = {value_text(self.variable, self.value)}"

    @property
    def usual(self) -> str:
        """Range of typical values in words: `INSIDE` standard deviations on both sides of the mean.

        It ends at the training's smallest and largest value, and at the bounds of the variable.
        """
        low, high = (self.mean + side * INSIDE * self.spread for side in (-1, 1))
        if self.variable.scale == "log":
            low, high = math.exp(low), math.exp(high)
        low = max(low, self.range[0], self.variable.low)
        high = min(high, self.range[1], self.variable.high)
        first = value_text(self.variable, low, 3, unit=False)
        return f"about {first} to {value_text(self.variable, high, 3)}"

    def _place(self, value: float) -> float:
        """Return the value, or its logarithm, as mean and spread are meant."""
        if self.variable.scale != "log":
            return value
        return math.log(value) if value > 0 else -math.inf

    def inside(self, power: int) -> bool:
        """Test whether the value times 10^power is within `INSIDE` standard deviations of the mean."""
        return abs(self._place(self.value * 10.0**power) - self.mean) <= INSIDE * self.spread


def _one(part: _Part) -> str:
    power = _power([part])
    remedy = "" if power is None else f" ({_factor(power)} it would lie inside)"
    return (
        f"{part.text} lies {count_text(part.deviation)} standard deviations from what the training saw, "
        f"{part.usual}{remedy}: is the unit right?"
    )


def _several(outside: Sequence[_Part], same_unit: Sequence[_Part]) -> str:
    worst = max(outside, key=lambda part: part.deviation)
    unit, power = worst.variable.unit, _power(same_unit)
    remedy = "" if power is None else f"; {_factor(power)} all would lie inside"
    count = f"{len(outside)} of {len(same_unit)} numbers{f' in {unit}' if unit else ''}"
    deviation = count_text(worst.deviation)
    return (
        f"{count} lie far from what the training saw, most of all {worst.text}, {deviation} "
        f"standard deviations away ({worst.usual}){remedy}: is the unit right?"
    )


def _power(parts: Sequence[_Part]) -> int | None:
    """Return the exponent k ≠ 0 of smallest magnitude for which 10ᵏ times every value is typical, or None."""
    powers = sorted((k for k in range(-POWERS, POWERS + 1) if k), key=abs)
    return next((k for k in powers if all(part.inside(k) for part in parts)), None)


def _factor(power: int) -> str:
    return f"{'times' if power > 0 else 'divided by'} {10 ** abs(power):,}".replace(",", " ")


def concerns(
    values: Sequence[float],
    variables: Sequence[Variable],
    shift: Tensor,
    scale: Tensor,
    typicality: Typicality | None,
    row: Tensor | None = None,
    to_data: Callable[[Tensor], Tensor] | None = None,
) -> tuple[str, ...]:
    """List reasons to doubt the posterior at an observation (M,) in data units, as sentences.

    ``shift`` and ``scale`` (M,) are as in `unit_doubts`. Without a ``typicality`` test, only components far
    outside the training data are reported. ``row`` (1, M') is the observation in the units of that test, by
    default shifted and scaled; ``to_data`` maps (n, M') to data units (n, M), by default the reverse.
    """
    outside = outside_bounds(values, variables)
    if typicality is None or not all(math.isfinite(v) for v in values):
        return (*outside, *unit_doubts(values, variables, shift, scale))
    if row is None:
        row = (torch.tensor([values], dtype=torch.float64) - shift) / scale
    to_data = to_data or (lambda rows: shift + scale * rows)
    row, ranges = row.double().cpu(), None
    if row.shape[1] == len(variables):  # each component of y is one of the test
        ranges = to_data(torch.stack(typicality.reach)).cpu().double().sort(0).values.T.tolist()
    sentences = unit_doubts(values, variables, shift, scale, ranges) or _combination(typicality, row)
    nearest = typicality.nearest(row) if sentences else None
    if nearest is not None:
        place = to_data(nearest).cpu().double()[0].tolist()
        sentences[-1] += f" {_nearest(values, place, variables, scale.tolist())}"
    return (*outside, *sentences)


def _combination(typicality: Typicality, row: Tensor) -> list[str]:
    """Report an observation (1, M) that as a whole is unlike those of the training, in at most a sentence."""
    distance, p = float(typicality.distance(row)), float(typicality.p_value(row))
    if distance > BEYOND:
        others = f"any of {typicality.count} that were compared" if typicality.count else "any of them"
        start = f"{distance:.2g} times as far out as {others}"
    elif p <= RARE and typicality.count:
        start = f"at most one in {math.floor(1 / p)} of them lies as far out, or as far from the others"
    else:
        return []
    return [
        f"This observation is unlike those of the training: {start}. The network has never learned what "
        "belongs to it."
    ]


def _nearest(
    values: Sequence[float], place: Sequence[float], variables: Sequence[Variable], scale: Sequence[float]
) -> str:
    """Name the nearest training observation ``place`` (M,), by the components that differ most if there are
    many."""
    far = sorted(range(len(values)), key=lambda i: -abs(values[i] - place[i]) / scale[i] if scale[i] else 0.0)
    indices = sorted(far[:MOST_NAMED])
    inside = [
        min(max(place[i], variables[i].low), variables[i].high) for i in indices
    ]  # rounded by whitening
    text = ", ".join(
        f"{variables[i].name} = {value_text(variables[i], value)}"
        for i, value in zip(indices, inside, strict=True)
    )
    rest = len(values) - len(indices)
    others = f" (and {rest} more that differ less)" if rest else ""
    return f"The nearest observation that it was trained on has {text}{others}."
