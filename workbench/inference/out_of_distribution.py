"""Is an observation like those of the training? A conformal test on what was kept aside.

Scores       Mahalanobis distance from the mean, which sees what is far out in any direction, and the distance
             to the fifth nearest of the reference observations in whitened units, which sees holes and what
             lies off a curved set.
Calibration  both scores of observations that are not among the reference ones. p value of a new observation:
             share of those that score at least as high, the smaller of the two doubled. For an observation
             like the training's p is at most any level with at most that probability, whatever the law.
Unit         an observation ten standard deviations out in one component that would lie inside if it were
             moved by a power of ten is asked about.
Reach        the least and the greatest value of every component among all rows.
Source: Mahalanobis 1936; Vovk, Gammerman and Shafer 2005 (conformal prediction); Knorr and Ng 1998 (distance
to neighbours).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.errors import DataError
from workbench.core.variable import Variable

NEIGHBOUR, MOST_REFERENCE, MOST_CALIBRATION, MOST_WHITENED = 5, 1000, 2000, 200
#: Numbers of the reference rows that are kept: of long observations fewer rows.
MOST_NUMBERS = 250_000
#: Of the scores of rows that stay at home so many quantiles are told.
QUANTILES = 32
#: Names of `Typicality.state`.
STATE = ("mean", "whiten", "reference", "calibrated", "reach")
#: Standard deviations: beyond FAR a component is far outside, within INSIDE it is like the training's.
FAR, INSIDE, POWERS = 10.0, 4.0, 9
#: Whitened units: scores this close are the same. Labels lie on top of each other but for rounding, which a
#: direction that never moved magnifies a thousand times.
ROUNDING, LEAST = 1e-3, 1e-2
#: Warned of without being asked: so many times as far out as any of the calibration.
BEYOND = 1.25


class UnusualObservationWarning(UserWarning):
    """An observation that is not like those of the training, so that the posterior is a guess."""


class Typicality:
    """What the training has seen of observations, in standardised units.

    Parameters
    ----------
    reference, calibration : observations (n, M) and (m, M), n ≥ 2, m ≥ 1, without rows in common.
    """

    def __init__(self, reference: Tensor, calibration: Tensor) -> None:
        reference, calibration = (part.detach().to("cpu", torch.float64) for part in (reference, calibration))
        every = torch.cat([reference, calibration])
        self._reach = torch.stack([every.amin(0), every.amax(0)])
        reference = reference[: min(MOST_REFERENCE, max(NEIGHBOUR, MOST_NUMBERS // reference.shape[1]))]
        self._mean = reference.mean(0)
        self._whiten = _whitening(reference - self._mean)
        self._reference: Tensor | None = self._whitened(reference)
        self._calibrated = self._scores(calibration[:MOST_CALIBRATION]).sort(1).values

    @classmethod
    def split(cls, rows: Tensor, held_out: Tensor) -> Typicality | None:
        """From training rows and held-out ones (n, M), the latter for calibration; None for too few."""
        if len(rows) + len(held_out) < 20 or not rows.shape[1]:
            return None
        count = min(MOST_REFERENCE, len(rows) // 2)
        return cls(rows[:count], torch.cat([held_out, rows[count:]]))

    def state(self, *, rows: bool = True) -> dict[str, Tensor]:
        """All that it knows as tensors, for a file. Without ``rows`` no single observation can be read off
        it: the reach is rounded outwards, and of one score `QUANTILES` between the rows are kept."""
        known = {
            "mean": self._mean,
            "whiten": self._whiten.contiguous(),
            "calibrated": self._calibrated,
            "reach": self._reach,
        }
        if self._reference is None:
            return known
        if rows:
            return known | {"reference": self._reference.float()}
        levels = torch.arange(1, QUANTILES, dtype=torch.float64) / QUANTILES
        farthest = (10 * self._calibrated[:1, -1]).ceil() / 10
        scores = torch.cat([torch.quantile(self._calibrated[0], levels), farthest])[None]
        reach = torch.stack([(10 * self._reach[0]).floor(), (10 * self._reach[1]).ceil()]) / 10
        return known | {"calibrated": scores, "reach": reach}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], components: int) -> Typicality:
        """What `state` gave, for observations of ``components`` values. Raises `DataError` for tensors that
        do not fit together."""
        found = {name: value.to("cpu", torch.float64) for name, value in state.items()}
        wanted = set(STATE) - (set() if "reference" in found else {"reference"})
        fits = set(found) == wanted and _fit(found, components)
        if not fits or not all(value.isfinite().all() for value in found.values()):
            raise DataError(
                "What was seen of observations is damaged",
                expected=f"finite tensors {', '.join(sorted(wanted))} for {components} components",
                found=", ".join(f"{name} {tuple(value.shape)}" for name, value in found.items())[:300],
            )
        made = cls.__new__(cls)
        made._mean, made._whiten, made._reach = found["mean"], found["whiten"], found["reach"]
        made._reference, made._calibrated = found.get("reference"), found["calibrated"].sort(1).values
        return made

    @property
    def reach(self) -> tuple[Tensor, Tensor]:
        """The least and the greatest value of every component (M,), in standardised units."""
        return self._reach[0], self._reach[1]

    def _whitened(self, y: Tensor) -> Tensor:
        centred = y.detach().to("cpu", torch.float64) - self._mean
        return centred * self._whiten if self._whiten.ndim == 1 else centred @ self._whiten

    def _scores(self, y: Tensor) -> Tensor:
        """The scores of (n, M): (2, n), or (1, n) where single rows are not known."""
        white = self._whitened(y)
        far = white.norm(dim=1)
        if self._reference is None:
            return far[None]
        gaps = torch.cdist(white, self._reference)
        near = gaps.kthvalue(min(NEIGHBOUR, len(self._reference)), dim=1).values
        return torch.stack([far, near])

    def p_value(self, y: Tensor) -> Tensor:
        """(n, M) standardised observations -> p values (n,)."""
        count = self._calibrated.shape[1]
        above = count - torch.searchsorted(self._calibrated, self._scores(y) - ROUNDING, side="left")
        return (len(self._calibrated) * (1 + above.double()) / (1 + count)).amin(0).clamp(max=1.0)

    def distance(self, y: Tensor) -> Tensor:
        """How many times as far out (n, M) lies as the farthest of the calibration, by either score: (n,)."""
        farthest = self._calibrated[:, -1:].clamp(min=LEAST)
        return (self._scores(y) / farthest).amax(0)

    @property
    def count(self) -> int:
        """How many observations calibrate the test; 0 where only a summary of them is known."""
        return 0 if self._reference is None else self._calibrated.shape[1]


def _whitening(centred: Tensor) -> Tensor:
    """(M, M) that turns rows of (n, M) into uncorrelated ones of variance 1; of very many components only
    their variances are used: (M,)."""
    if centred.shape[1] > MOST_WHITENED:
        return 1 / centred.std(0).clamp(min=1e-9)
    covariance = centred.T @ centred / max(1, len(centred) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    # directions that never moved must still be seen to move
    floor = 1e-6 * values.max().clamp(min=1e-12)
    return vectors / values.clamp(min=floor).sqrt()


def _fit(found: Mapping[str, Tensor], components: int) -> bool:
    """Whether tensors of `Typicality.state` have the shapes and sizes that belong together."""
    side = (components,) if components > MOST_WHITENED else (components, components)
    scores, reference = found["calibrated"], found.get("reference")
    if tuple(found["mean"].shape) != (components,) or tuple(found["whiten"].shape) != side:
        return False
    if tuple(found["reach"].shape) != (2, components) or scores.ndim != 2:
        return False
    if len(scores) != (1 if reference is None else 2) or not 1 <= scores.shape[1] <= MOST_CALIBRATION:
        return False
    rows = 0 if reference is None or reference.ndim != 2 else len(reference)
    return reference is None or (1 <= rows <= MOST_REFERENCE and reference.shape[1] == components)


def unit_doubts(values: Sequence[float], variables: Sequence[Variable], shift: Tensor, scale: Tensor) -> list:
    """A sentence for each component that lies far outside the training's and may be in another unit; of
    several far ones in the same unit one sentence, with the power of ten that brings all numbers in this
    unit inside.

    ``shift`` and ``scale`` (M,) are the training's means and standard deviations in data units.
    """
    parts = [_Part(*each) for each in zip(values, variables, shift.tolist(), scale.tolist(), strict=True)]
    far, found = [part for part in parts if part.away > FAR], []
    for unit in dict.fromkeys(part.variable.unit for part in far):
        strange = [part for part in far if part.variable.unit == unit]
        alike = [part for part in parts if part.variable.unit == unit]
        found.append(_alone(strange[0]) if len(strange) == 1 else _together(strange, alike))
    return found


@dataclass(frozen=True)
class _Part:
    """One component of an observation beside what the training saw of it."""

    value: float
    variable: Variable
    middle: float
    spread: float

    @property
    def away(self) -> float:
        """Standard deviations from the training's mean."""
        distance = abs(self.value - self.middle)
        return distance / self.spread if self.spread else math.inf if distance else 0.0

    @property
    def said(self) -> str:
        unit = f" {self.variable.unit}" if self.variable.unit else ""
        return f"{self.variable.name} = {self.value:.4g}{unit}"

    @property
    def usual(self) -> str:
        unit = f" {self.variable.unit}" if self.variable.unit else ""
        low, high = (self.middle + side * INSIDE * self.spread for side in (-1, 1))
        return f"about {low:.3g} to {high:.3g}{unit}"

    def inside(self, power: int) -> bool:
        """Whether it is like the training's once it is multiplied by a power of ten."""
        return abs(self.value * 10.0**power - self.middle) <= INSIDE * self.spread


def _alone(part: _Part) -> str:
    power = _power([part])
    moved = "" if power is None else f" ({_factor(power)} it would lie inside)"
    return (
        f"{part.said} lies {part.away:.0f} standard deviations from what the training saw, {part.usual}"
        f"{moved}: is the unit right?"
    )


def _together(strange: Sequence[_Part], alike: Sequence[_Part]) -> str:
    worst = max(strange, key=lambda part: part.away)
    unit, power = worst.variable.unit, _power(alike)
    moved = "" if power is None else f"; {_factor(power)} all would lie inside"
    counted = f"{len(strange)} of {len(alike)} numbers{f' in {unit}' if unit else ''}"
    return (
        f"{counted} lie far from what the training saw, most of all {worst.said}, {worst.away:.0f} "
        f"standard deviations away ({worst.usual}){moved}: is the unit right?"
    )


def _power(parts: Sequence[_Part]) -> int | None:
    """The power of ten nearest to one that brings all of them inside, if there is any."""
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
) -> tuple[str, ...]:
    """What there is to say about an observation (M,) in data units before its posterior is believed."""
    found = unit_doubts(values, variables, shift, scale)
    if not found and typicality is not None and all(math.isfinite(v) for v in values):
        row = ((torch.tensor([values], dtype=torch.float64) - shift) / scale).double()
        distance = float(typicality.distance(row))
        if distance > BEYOND:
            others = f"any of {typicality.count} that were compared" if typicality.count else "any of them"
            found.append(
                f"This observation is unlike those of the training: {distance:.2g} times as far out as "
                f"{others}. The network has never learned what belongs to it."
            )
    return tuple(found)
