"""Divergences: a number between two distributions, to train with and to measure with."""

from workbench.core.catalogue import Catalogue

DIVERGENCES = Catalogue("divergences", "divergence")

from workbench.divergences.alpha import Alpha  # noqa: E402
from workbench.divergences.base import (  # noqa: E402
    Divergence,
    FDivergence,
    SampleDivergence,
    VariationalDivergence,
)
from workbench.divergences.donsker_varadhan import DonskerVaradhan  # noqa: E402
from workbench.divergences.energy_distance import EnergyDistance  # noqa: E402
from workbench.divergences.estimate import Estimate, estimate  # noqa: E402
from workbench.divergences.f_gamma import FGamma  # noqa: E402
from workbench.divergences.gan import GAN  # noqa: E402
from workbench.divergences.jeffreys import Jeffreys  # noqa: E402
from workbench.divergences.jensen_shannon import JensenShannon  # noqa: E402
from workbench.divergences.kullback_leibler import KullbackLeibler  # noqa: E402
from workbench.divergences.max_sliced_wasserstein import MaxSlicedWasserstein  # noqa: E402
from workbench.divergences.maximum_mean_discrepancy import MaximumMeanDiscrepancy, mmd_squared  # noqa: E402
from workbench.divergences.neyman import Neyman  # noqa: E402
from workbench.divergences.pearson import Pearson  # noqa: E402
from workbench.divergences.precision_recall import PrecisionRecall, precision_recall_curve  # noqa: E402
from workbench.divergences.reverse_kl import ReverseKullbackLeibler  # noqa: E402
from workbench.divergences.sinkhorn import Sinkhorn  # noqa: E402
from workbench.divergences.sliced_wasserstein import SlicedWasserstein  # noqa: E402
from workbench.divergences.squared_hellinger import SquaredHellinger  # noqa: E402
from workbench.divergences.total_variation import TotalVariation  # noqa: E402
from workbench.divergences.wasserstein_critic import WassersteinCritic  # noqa: E402

for _member in (
    JensenShannon,
    KullbackLeibler,
    ReverseKullbackLeibler,
    DonskerVaradhan,
    GAN,
    Pearson,
    Neyman,
    SquaredHellinger,
    TotalVariation,
    Alpha,
    Jeffreys,
    PrecisionRecall,
    FGamma,
    WassersteinCritic,
    MaximumMeanDiscrepancy,
    EnergyDistance,
    SlicedWasserstein,
    MaxSlicedWasserstein,
    Sinkhorn,
):
    DIVERGENCES.register(_member)

__all__ = [
    "DIVERGENCES",
    "Divergence",
    "Estimate",
    "FDivergence",
    "SampleDivergence",
    "VariationalDivergence",
    "estimate",
    "mmd_squared",
    "precision_recall_curve",
]
