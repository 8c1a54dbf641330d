"""Latent normality: are the latents z of fresh data standard normal, and independent of the observation?

If the model is exact, z = T(x, y) is N(0, I) and independent of y. Tested, each on fresh data:
  marginals     Kolmogorov-Smirnov and Cramér-von Mises of every z_k against N(0, 1)
  tails         numbers of |z_k| beyond the quantiles that hold 90, 99 and 99.9 %: binomial, for every z_k and
                for all together; the tests above hardly see tails, where few points lie
  radius        Kolmogorov-Smirnov of |z|² against χ² with K degrees of freedom, which responds to scales
                that are shared by several z_k
  independence  of every pair (z_k, y_m) and (z_k, z_l): Spearman's rank correlation, and a χ² test on a
                table of quantiles, which also sees dependence without correlation
p values are corrected together by Holm. Severity: the largest displacement that makes a z_k or the radius
normal, or the largest dependence among the pairs whose own corrected p is below the level, as a correlation.
Green: no p below the level. Amber: some, but the severity is under 0.125; or up to 1 % of the latents are not
finite. Red otherwise. Standard normal marginals do not make a good posterior: the joint distribution can be
wrong although all of this is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    WRONG_PLACE,
    WRONG_WIDTH,
    Diagnostic,
    dataset,
    held_out_pairs,
    on_cpu,
    variable_names,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

#: Probabilities of the tails whose points are counted.
TAILS = (0.1, 0.01, 0.001)
#: A larger fraction of non-finite latents makes the verdict red.
_NON_FINITE_SHARE = 0.01
_CELLS = 5


@DIAGNOSTICS.register
class LatentNormality(Diagnostic):
    """Check that the latents of fresh data are standard normal and independent of y."""

    key = "latent_normality"
    title = "Latent normality"
    summary = "Tests whether the data's latent code is standard normal and independent of the observation."
    reference = "Kolmogorov 1933; Cramér 1928, von Mises 1928; Spearman 1904; Holm 1979"
    purpose = "Whether the code of fresh data is standard normal and independent of the observation."
    remedy = (
        "Train longer or with a larger network; a code that depends on y needs more capacity in the "
        "conditioner."
    )
    needs_model = frozenset({Capability.LATENT})
    thorough = {"points": 5000}
    notices = frozenset({WRONG_WIDTH, WRONG_PLACE})

    points = param.Integer(1000, bounds=(50, 100_000), doc="Number of fresh pairs that are encoded.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.inference.statistics import holm

        data = held_out_pairs(fitted, problem, self.points, seed)
        code = on_cpu(fitted.latent(data.x, data.observation())[0]).numpy()
        finite = np.isfinite(code).all(1)
        z, y = code[finite], data.y.numpy()[finite]
        non_finite = 1 - finite.mean()
        normal = _normality(z)
        against_y, between = _dependence(z, y), _dependence(z, z, upper=True)
        tails, radius_p = _tails(z), _radius_p(z)
        p = [
            normal[:, 1],
            normal[:, 3],
            against_y[..., 1:3],
            between[..., 1:3],
            tails,
            np.asarray([radius_p]),
        ]
        p_values = holm(np.concatenate([part.ravel() for part in p]))
        smallest = float(np.nanmin(p_values)) if np.isfinite(p_values).any() else 0.0
        distance = float(normal[:, 0].max()) if len(z) > 1 else 1.0
        pairs = np.abs(np.concatenate([against_y[..., 0].ravel(), between[..., 0].ravel()]))
        correlation = float(np.nanmax(pairs)) if np.isfinite(pairs).any() else 0.0
        severity = _severity(z, p_values, self.level, against_y, between)
        verdict = _verdict(smallest, self.level, severity, non_finite)
        return dataset(
            {
                "ks_distance": (
                    "latent",
                    normal[:, 0],
                    {"long_name": "largest distance to N(0, 1)"},
                ),
                "ks_p": ("latent", normal[:, 1]),
                "cramer_von_mises": ("latent", normal[:, 2]),
                "cramer_von_mises_p": ("latent", normal[:, 3]),
                "correlation_with_y": (("latent", "observed"), against_y[..., 0]),
                "independence_p": (("latent", "observed", "test"), against_y[..., 1:3]),
                "correlation_between": (("latent", "other"), between[..., 0]),
                "between_p": (("latent", "other", "test"), between[..., 1:3]),
                "tail_p": (("counted", "tail"), tails, {"long_name": "of each latent, and of all together"}),
                "radius_p": ((), radius_p),
                "smallest_corrected_p": ((), smallest),
                "lost_share": ((), non_finite),
            },
            verdict=verdict,
            sentence=_sentence(verdict, smallest, distance, correlation, non_finite),
            data=data,
            p_value=smallest if non_finite <= NON_FINITE_SHARE else 0.0,
            severity=severity,
            tail=("tail", np.asarray(TAILS)),
            observed=("observed", variable_names(problem.y)),
            test=("test", ["spearman", "quantile_table"]),
        )


def _normality(z: np.ndarray) -> np.ndarray:
    """Test each column of latents z (n, K) against N(0, 1).

    Returns (K, 4): Kolmogorov-Smirnov distance and p value, Cramér-von Mises statistic and p value; NaN for
    fewer than two rows.
    """
    from scipy.stats import cramervonmises, kstest

    if len(z) < 2:
        return np.full((z.shape[1], 4), np.nan)
    tests = [(kstest(column, "norm"), cramervonmises(column, "norm")) for column in z.T]
    return np.asarray([[a.statistic, a.pvalue, b.statistic, b.pvalue] for a, b in tests]).reshape(-1, 4)


def _dependence(first: np.ndarray, second: np.ndarray, *, upper: bool = False) -> np.ndarray:
    """Test every pair of columns of two tables (n, K) and (n, M) for independence.

    Returns (K, M, 4): rank correlation, its p value, the p value of a χ² test on a table of quantiles, and
    the mean square contingency of this table above its value by chance, as a root.
    NaN for pairs that are not tested: those with a constant column or under 25 rows and, with ``upper``,
    pairs (i, j) with j ≤ i.
    """
    from scipy.stats import spearmanr

    result = np.full((first.shape[1], second.shape[1], 4), np.nan)
    for i in range(first.shape[1]):
        for j in range(i + 1 if upper else 0, second.shape[1]):
            a, b = first[:, i], second[:, j]
            if len(a) < 25 or np.ptp(a) == 0 or np.ptp(b) == 0:
                continue
            spearman = spearmanr(a, b)
            result[i, j] = spearman.statistic, spearman.pvalue, *_table_test(a, b)
    return result


def _table_test(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Test two columns (n,) for independence by χ² on a table of quantile cells.

    Returns the p value and the root of the mean square contingency above its value by chance, which for two
    normal variables is a little less than their correlation.

    Columns with few distinct values have fewer cells; NaN where the table is too sparse.
    """
    from scipy.stats import chi2_contingency

    rows, columns = (_cells(values) for values in (a, b))
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    table = table[table.any(1)][:, table.any(0)]
    independent = np.outer(table.sum(1), table.sum(0)) / table.sum()
    if min(table.shape) < 2 or independent.min() < 5:
        return np.nan, np.nan
    test = chi2_contingency(table, correction=False)
    return float(test.pvalue), float(np.sqrt(max(0.0, test.statistic - test.dof) / len(a)))


def _cells(values: np.ndarray) -> np.ndarray:
    edges = np.unique(np.quantile(values, np.arange(1, _CELLS) / _CELLS))
    return np.searchsorted(edges, values, side="left")


def _tails(z: np.ndarray) -> np.ndarray:
    """Return p values (K + 1, 3) of the numbers of points in the tails of latents z (n, K), against N(0, 1).

    One row for each latent, and a last one for all together, which are independent; NaN without rows.
    """
    from scipy.stats import binomtest, norm

    if not z.size:
        return np.full((z.shape[1] + 1, len(TAILS)), np.nan)
    beyond = np.stack([(np.abs(z) > norm.isf(tail / 2)).sum(0) for tail in TAILS], 1)  # (K, 3)
    counts = [*((row, len(z)) for row in beyond), (beyond.sum(0), z.size)]
    return np.asarray(
        [[binomtest(int(k), n, q).pvalue for k, q in zip(row, TAILS, strict=True)] for row, n in counts]
    )


def _radius_p(z: np.ndarray) -> float:
    """Return the p value of a Kolmogorov-Smirnov test of |z|² against χ²; NaN for under two rows or K = 1."""
    from scipy.stats import kstest

    if len(z) < 2 or z.shape[1] < 2:
        return np.nan
    return float(kstest(np.square(z).sum(1), "chi2", (z.shape[1],)).pvalue)


def _severity(
    z: np.ndarray, p: np.ndarray, level: float, against_y: np.ndarray, between: np.ndarray
) -> float:
    """Return the severity of the deviations of latents z (n, K), as in the module's text.

    ``p`` are the corrected p values: of two tests for each latent, then two for each entry of ``against_y``
    and ``between``, then others.
    """
    from scipy.stats import chi2

    from workbench.diagnostics.severity import normal_displacement, rank_displacement

    if len(z) < 2:
        return 1.0
    values = [normal_displacement(column) for column in z.T]
    if z.shape[1] > 1:
        values.append(rank_displacement(chi2.cdf(np.square(z).sum(1), z.shape[1]), z.shape[1]))
    start = 2 * z.shape[1]
    for table in (against_y, between):
        tests = p[start : start + 2 * table[..., 0].size].reshape(-1, 2)
        sizes = np.abs(table[..., [0, 3]].reshape(-1, 2))
        values += sizes[np.nan_to_num(tests, nan=1.0) < level].tolist()
        start += tests.size
    return float(max(values))


def _verdict(p: float, level: float, severity: float, non_finite: float) -> str:
    from workbench.diagnostics.severity import SMALL_SEVERITY

    if non_finite > _NON_FINITE_SHARE:
        return "red"
    if p >= level:
        return "green" if non_finite <= NON_FINITE_SHARE else "amber"
    return "amber" if severity < SMALL_SEVERITY else "red"


def _sentence(verdict: str, p: float, distance: float, correlation: float, non_finite: float) -> str:
    from workbench.inference.statistics import percent

    start = {
        "green": "The latent code is as a standard normal would be, and independent of the observation",
        "amber": "The latent code differs from a standard normal, but little",
        "red": "The latent code is not standard normal, or depends on the observation",
    }[verdict]
    loss = f"; {percent(non_finite)} of the codes are not finite" if non_finite else ""
    return (
        f"{start}: largest distance to N(0, 1) {distance:.3f}, largest rank correlation {correlation:.2f}, "
        f"smallest corrected p {p:.2g}{loss}."
    )
