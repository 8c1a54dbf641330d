"""Tests of uniformity and corrections for multiple tests, in NumPy.

Rank test    ranks r of a truth among L exact posterior draws are uniform on {0, …, L}; u = (r + U) / (L +
             1) with U uniform on (0, 1) is uniform on (0, 1) exactly (Talts et al. 2018).
Band         counts c_k = #{u ≤ t_k} are binomial; the smallest two-sided tail probability over the grid
             t_1, …, t_G, compared with its own distribution under uniformity, gives one p value and one band
             for the whole curve (Säilynoja, Bürkner and Vehtari 2022).
Holm         corrected p values that bound the probability of any false alarm, whatever the dependence (Holm
             1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SIMULATIONS, GRID = 10_000, 49


def uniform_ranks(truth: np.ndarray, others: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the ranks u (n, …) in (0, 1) of truths (n, …) among L draws for each (n, L, …).

    Ties are broken at random.
    """
    below = (others < truth[:, None]).sum(1)
    equal = (others == truth[:, None]).sum(1)
    rank = below + generator.integers(0, equal + 1)
    return (rank + generator.uniform(size=rank.shape)) / (others.shape[1] + 1)


@dataclass(frozen=True)
class Uniformity:
    """Result of a test for uniformity on (0, 1): p value, and deviation of the distribution function.

    ``difference`` (G,) is the empirical minus the uniform distribution function at the points of ``grid``
    (G,); ``low`` and ``high`` (G,) limit the simultaneous band around 0.
    """

    p: float
    grid: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def distance(self) -> float:
        """Largest distance between the empirical and the uniform distribution function on the grid."""
        return float(np.abs(self.difference).max())


def uniformity(u: np.ndarray, level: float) -> Uniformity:
    """Test u (n,), n ≥ 2, for uniformity on (0, 1).

    Under uniformity, the whole empirical distribution function stays inside the band with probability
    1 − ``level``. p values below the resolution of the simulated distribution are bounds from above.
    """
    n = len(u)
    from scipy.stats import binom

    grid, tails, smallest = _null(n)
    counts = (u[:, None] <= grid).sum(0)
    statistic = tails[np.arange(len(grid)), counts].min()
    # simulations cannot show a p value below 1 / SIMULATIONS; there the sum over the grid bounds it
    p = (1 + (smallest <= statistic * (1 + 1e-12)).sum()) / (1 + len(smallest))
    p = min(p, len(grid) * statistic)
    gamma = float(np.quantile(smallest, level))
    low, high = binom.ppf([[gamma / 2], [1 - gamma / 2]], n, grid) / n - grid
    return Uniformity(float(p), grid, counts / n - grid, low, high)


@lru_cache(maxsize=8)
def _null(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a grid on (0, 1), and the null distribution of the counts of n uniform numbers below its points.

    Returns the grid (G,), the two-sided tail probability of each count 0 … n at each grid point (G, n + 1),
    and the smallest tail probability over the grid in each of the simulated uniform samples (SIMULATIONS,).
    """
    from scipy.stats import binom

    grid = np.arange(1, GRID + 1) / (GRID + 1)
    counts = np.arange(n + 1)
    below = binom.cdf(counts, n, grid[:, None])
    above = binom.sf(counts - 1, n, grid[:, None])
    tails = np.minimum(1.0, 2 * np.minimum(below, above))
    cells = np.random.default_rng(0).multinomial(n, np.full(GRID + 1, 1 / (GRID + 1)), size=SIMULATIONS)
    draws = cells.cumsum(1)[:, :-1]
    return grid, tails, tails[np.arange(GRID), draws].min(1)


def holm(p: np.ndarray) -> np.ndarray:
    """Apply Holm's correction to p values; NaN (not tested) stays NaN and does not count as a test."""
    p = np.asarray(p, dtype=np.float64)
    result, mask = np.full(p.shape, np.nan), np.isfinite(p)
    order = np.argsort(p[mask])
    steps = p[mask][order] * np.arange(mask.sum(), 0, -1)
    corrections = np.empty(len(order))
    corrections[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    result[mask] = corrections
    return result


def sign_flip(differences: np.ndarray, generator: np.random.Generator, flips: int = 4999) -> float:
    """Return the p value of a one-sided sign-flip test that differences (n,) have a positive mean."""
    signs = generator.choice((-1.0, 1.0), size=(flips, len(differences)))
    return float((1 + ((signs * differences).mean(1) >= differences.mean()).sum()) / (1 + flips))


def excess_p_value(calibration: np.ndarray, scores: np.ndarray, share: float = 0.05) -> float:
    """Return the p value of the hypothesis that scores (S, n) are distributed like calibration scores.

    ``calibration`` (S, m), m ≥ 1, is in ascending order. Of each of the S kinds of scores, the number beyond
    the k-th largest calibration score, with k / (m + 1) about ``share``, is beta-binomial whatever the
    distribution: it scatters more than a binomial number, since all n are compared with the same m. Returns
    the smallest p value times S; ties make it larger.
    """
    from scipy.stats import betabinom

    count = calibration.shape[1]
    k = max(1, int(share * (count + 1)))
    beyond = (scores > calibration[:, count - k, None]).sum(1)
    p = betabinom.sf(beyond - 1, scores.shape[1], k, count + 1 - k)
    return min(1.0, len(p) * float(p.min()))


def percent(share: float) -> str:
    """Format a fraction as a percentage: ``0.0123`` -> ``1.23 %``."""
    return f"{100 * share:.3g} %"
