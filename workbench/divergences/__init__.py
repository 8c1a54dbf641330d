"""Divergences: a number between two distributions, to train with and to measure with."""

from workbench.core.catalogue import Catalogue

DIVERGENCES = Catalogue("divergences", "divergence")

from workbench.divergences.base import Divergence, VariationalDivergence  # noqa: E402
from workbench.divergences.jensen_shannon import JensenShannon  # noqa: E402
from workbench.divergences.maximum_mean_discrepancy import MaximumMeanDiscrepancy, mmd_squared  # noqa: E402

for _member in (JensenShannon, MaximumMeanDiscrepancy):
    DIVERGENCES.register(_member)

__all__ = [
    "DIVERGENCES",
    "Divergence",
    "JensenShannon",
    "MaximumMeanDiscrepancy",
    "VariationalDivergence",
    "mmd_squared",
]
