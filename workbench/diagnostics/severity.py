"""Severity of a fault: a displacement in standard deviations of the posterior, the same in any dimension.

Ranks        u (n,) of truths among posterior draws are turned into normal scores Φ⁻¹(u), and these are moved
             to those of a uniform distribution at least cost: the root mean square displacement is |δ| for a
             normal posterior that is off by δ standard deviations, and |1/w − 1| for one whose width is w
             times the right one.
Densities    ranks of the density in D dimensions are turned into radii of a D-dimensional normal
             distribution, and the displacement of the radius is divided by √D.
Draws        sliced W2 between draws of the model and of the exact posterior in the exact standard deviations:
             the root mean square displacement along a random direction.
Chance       what equally many exact ranks or draws would give on average is subtracted from the square.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.scale import column_scale

if TYPE_CHECKING:
    from workbench.diagnostics.checks.reference_draws import DrawSets

#: Severity below which a fault is called small: an eighth of a standard deviation.
SMALL_SEVERITY = 0.125
#: Repetitions behind the displacement by chance; directions of the sliced distance.
_REPETITIONS, _DIRECTIONS = 100, 50


def rank_displacement(u: np.ndarray, features: int = 0) -> float:
    """Return the root mean square displacement that makes ranks u (n,) in (0, 1) uniform.

    ``features`` is 0 for ranks of one quantity, whose scores are normal, and D for ranks of a radius in D
    dimensions, which grow from the centre outwards.
    """
    u = np.sort(np.clip(np.asarray(u, dtype=np.float64), 1e-9, 1 - 1e-9))
    quantiles, chance = _quantiles(len(u), features)
    excess = float(np.square(_scores(u, features) - quantiles).mean()) - chance
    return float(np.sqrt(max(0.0, excess) / max(features, 1)))


def normal_displacement(z: np.ndarray) -> float:
    """Return the root mean square displacement that makes numbers z (n,) standard normal."""
    quantiles, chance = _quantiles(len(z), 0)
    return float(np.sqrt(max(0.0, float(np.square(np.sort(z) - quantiles).mean()) - chance)))


def draws_displacement(sets: Sequence[DrawSets]) -> float:
    """Return the sliced W2 between model and exact draws beyond that of two exact sets, over observations.

    In standard deviations of the exact posterior. NaN where no set has as many draws of the model as exact
    ones.
    """
    usable = [part for part in sets if len(part.model) == len(part.first)]
    if not usable:
        return float("nan")
    directions = np.random.default_rng(0).normal(size=(usable[0].first.shape[1], _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    excess = []
    for part in usable:
        scale = column_scale(part.first)
        model, first, second = (
            np.sort((draws / scale).numpy() @ directions, axis=0)
            for draws in (part.model, part.first, part.second)
        )
        excess.append(np.square(model - first).mean() - np.square(second - first).mean())
    return float(np.sqrt(max(0.0, float(np.mean(excess)))))


def _scores(u: np.ndarray, features: int) -> np.ndarray:
    from scipy.stats import chi, norm

    return chi.ppf(u, features) if features else norm.ppf(u)


@lru_cache(maxsize=32)
def _quantiles(n: int, features: int) -> tuple[np.ndarray, float]:
    """Return n expected scores (n,) in order, and the mean squared displacement of exact ones by chance."""
    quantiles = _scores((np.arange(n) + 0.5) / n, features)
    generator = np.random.default_rng(0)
    if features:
        scores = np.sqrt(generator.chisquare(features, size=(_REPETITIONS, n)))
    else:
        scores = generator.normal(size=(_REPETITIONS, n))
    return quantiles, float(np.square(np.sort(scores, axis=1) - quantiles).mean())
