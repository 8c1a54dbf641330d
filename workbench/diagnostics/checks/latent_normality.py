"""Is the latent code of fresh data standard normal, and independent of what was observed?

If the model is exact, z = T(x, y) is N(0, I) and independent of y. Tested, each on fresh data:
  law           Kolmogorov-Smirnov and Cramér-von Mises of every z_k against N(0, 1)
  independence  of every pair (z_k, y_m) and (z_k, z_l): Spearman's rank correlation, and a χ² test on a
                table of quantiles, which also sees dependence without correlation
p values are corrected together by Holm. Green: none below the level. Amber: some, but every distance of
laws is under 0.05 and every |correlation| under 0.1. Red otherwise. A standard normal marginal does not
make a good posterior: a joint law can be wrong although all of this is right.
"""

from __future__ import annotations

import numpy as np
import param
from scipy.stats import chi2_contingency, cramervonmises, kstest, spearmanr

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import DIAGNOSTICS, Diagnostic, dataset, fresh, names, on_cpu
from workbench.inference.statistics import holm, percent

SMALL_DISTANCE, SMALL_CORRELATION = 0.05, 0.1
_CELLS = 5


@DIAGNOSTICS.register
class LatentNormality(Diagnostic):
    """Standard normal codes that know nothing of y."""

    key = "latent_normality"
    title = "Latent normality"
    summary = "Tests whether the data's latent code is standard normal and independent of the observation."
    reference = "Kolmogorov 1933; Cramér 1928, von Mises 1928; Spearman 1904; Holm 1979"
    checked = "Whether the code of fresh data is standard normal and knows nothing of the observation."
    remedy = (
        "Train longer or with a larger network; a code that depends on y needs more capacity in the "
        "conditioner."
    )
    needs_model = frozenset({Capability.LATENT})
    thorough = {"points": 5000}

    points = param.Integer(1000, bounds=(50, 100_000), doc="Number of fresh pairs that are encoded.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.points, seed)
        code = on_cpu(fitted.latent(data.x, data.observation())[0]).numpy()
        finite = np.isfinite(code).all(1)
        z, y = code[finite], data.y.numpy()[finite]
        lost = 1 - finite.mean()
        laws = [(kstest(c, "norm"), cramervonmises(c, "norm")) for c in z.T] if len(z) > 1 else []
        laws = np.asarray([[a.statistic, a.pvalue, b.statistic, b.pvalue] for a, b in laws]).reshape(-1, 4)
        against_y, between = _dependence(z, y), _dependence(z, z, upper=True)
        p = [laws[:, 1], laws[:, 3], against_y[..., 1], against_y[..., 2], between[..., 1], between[..., 2]]
        corrected = holm(np.concatenate([part.ravel() for part in p]))
        smallest = float(np.nanmin(corrected)) if np.isfinite(corrected).any() else 0.0
        distance = float(laws[:, 0].max()) if len(laws) else 1.0
        pairs = np.abs(np.concatenate([against_y[..., 0].ravel(), between[..., 0].ravel()]))
        correlation = float(np.nanmax(pairs)) if np.isfinite(pairs).any() else 0.0
        verdict = _verdict(smallest, self.level, distance, correlation, lost)
        laws = laws if len(laws) else np.full((code.shape[1], 4), np.nan)
        return dataset(
            {
                "ks_distance": (
                    "latent",
                    laws[:, 0],
                    {"long_name": "largest distance of the law to N(0, 1)"},
                ),
                "ks_p": ("latent", laws[:, 1]),
                "cramer_von_mises": ("latent", laws[:, 2]),
                "cramer_von_mises_p": ("latent", laws[:, 3]),
                "correlation_with_y": (("latent", "observed"), against_y[..., 0]),
                "independence_p": (("latent", "observed", "test"), against_y[..., 1:]),
                "correlation_between": (("latent", "other"), between[..., 0]),
                "between_p": (("latent", "other", "test"), between[..., 1:]),
                "smallest_corrected_p": ((), smallest),
                "lost_share": ((), lost),
            },
            verdict=verdict,
            sentence=_sentence(verdict, smallest, distance, correlation, lost),
            data=data,
            observed=("observed", names(problem.y)),
            test=("test", ["spearman", "quantile_table"]),
        )


def _dependence(first: np.ndarray, second: np.ndarray, *, upper: bool = False) -> np.ndarray:
    """(K, M, 3): rank correlation, its p value, the quantile table's; NaN where nothing is to be tested."""
    found = np.full((first.shape[1], second.shape[1], 3), np.nan)
    for i in range(first.shape[1]):
        for j in range(i + 1 if upper else 0, second.shape[1]):
            a, b = first[:, i], second[:, j]
            if len(a) < 25 or np.ptp(a) == 0 or np.ptp(b) == 0:
                continue
            ranked = spearmanr(a, b)
            found[i, j] = ranked.statistic, ranked.pvalue, _table_p(a, b)
    return found


def _table_p(a: np.ndarray, b: np.ndarray) -> float:
    """χ² test of independence on a table of quantile cells; few distinct values make fewer cells."""
    rows, columns = (_cells(values) for values in (a, b))
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    table = table[table.any(1)][:, table.any(0)]
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    if min(table.shape) < 2 or expected.min() < 5:
        return np.nan
    return float(chi2_contingency(table, correction=False).pvalue)


def _cells(values: np.ndarray) -> np.ndarray:
    edges = np.unique(np.quantile(values, np.arange(1, _CELLS) / _CELLS))
    return np.searchsorted(edges, values, side="left")


def _verdict(p: float, level: float, distance: float, correlation: float, lost: float) -> str:
    if lost > 0.01:
        return "red"
    if p >= level:
        return "green" if lost == 0 else "amber"
    return "amber" if distance < SMALL_DISTANCE and correlation < SMALL_CORRELATION else "red"


def _sentence(verdict: str, p: float, distance: float, correlation: float, lost: float) -> str:
    said = {
        "green": "The latent code is as a standard normal would be, and independent of the observation",
        "amber": "The latent code differs from a standard normal, but little",
        "red": "The latent code is not standard normal, or depends on the observation",
    }[verdict]
    gone = f"; {percent(lost)} of the codes are not finite" if lost else ""
    return (
        f"{said}: largest distance of a law {distance:.3f}, largest rank correlation {correlation:.2f}, "
        f"smallest corrected p {p:.2g}{gone}."
    )
