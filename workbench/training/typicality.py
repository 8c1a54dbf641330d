"""Is an observation like those of the training? A conformal test on what was kept aside.

Scores       Mahalanobis distance from the mean, which sees what is far out in any direction, and the distance
             to the fifth nearest of the reference observations in whitened units, which sees holes and what
             lies off a curved set.
Calibration  both scores of observations that are not among the reference ones. p value of a new observation:
             share of those that score at least as high, the smaller of the two doubled. For an observation
             like the training's p is at most any level with at most that probability, whatever the law.
Unit         an observation ten standard deviations out in one component that would lie inside if it were
             moved by a power of ten is asked about.
Source: Mahalanobis 1936; Vovk, Gammerman and Shafer 2005 (conformal prediction); Knorr and Ng 1998 (distance
to neighbours).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.core.variable import Variable

NEIGHBOUR, MOST_REFERENCE, MOST_CALIBRATION, MOST_WHITENED = 5, 1000, 2000, 200
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
        reference = reference.detach().to("cpu", torch.float64)[:MOST_REFERENCE]
        calibration = calibration.detach().to("cpu", torch.float64)[:MOST_CALIBRATION]
        self._mean = reference.mean(0)
        self._whiten = _whitening(reference - self._mean)
        self._reference = (reference - self._mean) @ self._whiten
        self._calibrated = self._scores(calibration).sort(1).values

    @classmethod
    def split(cls, rows: Tensor, held_out: Tensor) -> Typicality | None:
        """From training rows and held-out ones (n, M), the latter for calibration; None for too few."""
        if len(rows) + len(held_out) < 20 or not rows.shape[1]:
            return None
        count = min(MOST_REFERENCE, len(rows) // 2)
        return cls(rows[:count], torch.cat([held_out, rows[count:]]))

    def _scores(self, y: Tensor) -> Tensor:
        """Both scores of (n, M): (2, n)."""
        white = (y.detach().to("cpu", torch.float64) - self._mean) @ self._whiten
        gaps = torch.cdist(white, self._reference)
        near = gaps.kthvalue(min(NEIGHBOUR, len(self._reference)), dim=1).values
        return torch.stack([white.norm(dim=1), near])

    def p_value(self, y: Tensor) -> Tensor:
        """(n, M) standardised observations -> p values (n,)."""
        count = self._calibrated.shape[1]
        above = count - torch.searchsorted(self._calibrated, self._scores(y) - ROUNDING, side="left")
        return (2 * (1 + above.double()) / (1 + count)).amin(0).clamp(max=1.0)

    def distance(self, y: Tensor) -> Tensor:
        """How many times as far out (n, M) lies as the farthest of the calibration, by either score: (n,)."""
        farthest = self._calibrated[:, -1:].clamp(min=LEAST)
        return (self._scores(y) / farthest).amax(0)

    @property
    def count(self) -> int:
        """How many observations calibrate the test."""
        return self._calibrated.shape[1]


def _whitening(centred: Tensor) -> Tensor:
    """(M, K) that turns rows of (n, M) into uncorrelated ones of variance 1; of very many components only
    their variances are used."""
    if centred.shape[1] > MOST_WHITENED:
        return torch.diag(1 / centred.std(0).clamp(min=1e-9))
    covariance = centred.T @ centred / max(1, len(centred) - 1)
    values, vectors = torch.linalg.eigh(covariance)
    # directions that never moved must still be seen to move
    floor = 1e-6 * values.max().clamp(min=1e-12)
    return vectors / values.clamp(min=floor).sqrt()


def unit_doubts(values: Sequence[float], variables: Sequence[Variable], shift: Tensor, scale: Tensor) -> list:
    """A sentence for each component that lies far outside the training's and may be in another unit.

    ``shift`` and ``scale`` (M,) are the training's means and standard deviations in data units.
    """
    found = []
    parts = zip(values, variables, shift.tolist(), scale.tolist(), strict=True)
    for value, variable, middle, spread in parts:
        if abs(value - middle) <= FAR * spread:
            continue
        unit = f" {variable.unit}" if variable.unit else ""
        low, high = middle - INSIDE * spread, middle + INSIDE * spread
        powers = sorted((k for k in range(-POWERS, POWERS + 1) if k), key=abs)
        power = next((k for k in powers if low <= value * 10.0**k <= high), None)
        moved = "" if power is None else f" ({_factor(power)} it would lie inside)"
        found.append(
            f"{variable.name} = {value:.4g}{unit} lies {abs(value - middle) / spread:.0f} standard "
            f"deviations from what the training saw, about {low:.3g} to {high:.3g}{unit}{moved}: is the unit "
            "right?"
        )
    return found


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
            found.append(
                f"This observation is unlike those of the training: {distance:.2g} times as far out as any "
                f"of {typicality.count} that were compared. The network has never learned what belongs to it."
            )
    return tuple(found)
