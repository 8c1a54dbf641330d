"""Calibration of a posterior from the ranks of truths among its draws: coverage, rank test and verdict.

Ranks        u (n, K) in (0, 1) for K quantities, uniform under the exact posterior (Talts et al. 2018).
Coverage     for q = 1/101, …, 100/101: e_cal(q) = fraction of truths inside the central interval of mass q,
             minus q; the calibration error of a quantity is the median of |e_cal| over q. Negative e_cal:
             overconfident.
Verdict      green: no corrected p value of the simultaneous rank test below the level. Amber: one is, but
             every calibration error is under 0.03, and every distance between the distribution functions of
             the ranks and of the uniform distribution under 0.05. Red otherwise.
Source: Säilynoja, Bürkner & Vehtari 2022, arXiv 2103.10522; Ardizzone et al. 2019, arXiv 1808.04730.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.inference.statistics import Uniformity, holm, uniformity

SMALL_ERROR, SMALL_DISTANCE = 0.03, 0.05
#: Credible levels q at which coverage is evaluated.
LEVELS = np.arange(1, 101) / 101


@dataclass(frozen=True)
class RankCalibration:
    """Result of `rank_calibration` for K quantities.

    ``tests`` are the uniformity tests, one per quantity; ``coverage_error`` (K, 100) is the coverage minus
    the credible level q, ``error`` (K,) its median magnitude over q, and ``corrected_p`` (K,) are the p
    values after Holm's correction.
    """

    tests: tuple[Uniformity, ...]
    coverage_error: np.ndarray
    error: np.ndarray
    corrected_p: np.ndarray
    level: float

    @property
    def ecdf_difference(self) -> np.ndarray:
        """(K, G) empirical minus uniform distribution function on the grid of the tests."""
        return np.asarray([test.difference for test in self.tests])

    @property
    def distance(self) -> np.ndarray:
        """(K,) largest difference between the empirical and the uniform distribution function."""
        return np.asarray([test.distance for test in self.tests])

    @property
    def verdict(self) -> str:
        """Verdict "green", "amber" or "red" by the rule of this module: calibrated, slightly off, or not."""
        if self.corrected_p.min() >= self.level:
            return "green"
        small = self.error.max() < SMALL_ERROR and self.distance.max() < SMALL_DISTANCE
        return "amber" if small else "red"

    @property
    def worst(self) -> int:
        """Index of the quantity with the smallest corrected p value."""
        return int(self.corrected_p.argmin())

    def fault(self, quantity: int) -> str:
        """Return the kind of miscalibration: overconfident, too cautious, or shifted or misshapen.

        ``quantity`` is the index of the quantity.
        """
        lean = float(np.median(self.coverage_error[quantity]))
        return "overconfident" if lean < -0.01 else "too cautious" if lean > 0.01 else "shifted or misshapen"


def rank_calibration(ranks: np.ndarray, level: float) -> RankCalibration:
    """Test ranks (n, K) in (0, 1), n ≥ 2, for uniformity: all K quantities jointly at ``level``, say 0.01."""
    tests = tuple(uniformity(column, level / ranks.shape[1]) for column in ranks.T)
    coverage_error = (np.abs(ranks[..., None] - 0.5) <= LEVELS / 2).mean(0) - LEVELS
    return RankCalibration(
        tests,
        coverage_error,
        np.median(np.abs(coverage_error), axis=1),
        holm(np.asarray([test.p for test in tests])),
        level,
    )
