"""Divergences and distances between two distributions, as training losses and for evaluation."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.divergences.base import (
    DIVERGENCES,
    Divergence,
    FDivergence,
    SampleDivergence,
    VariationalDivergence,
)
from workbench.divergences.jensen_shannon import JensenShannon
from workbench.divergences.kullback_leibler import KullbackLeibler
from workbench.divergences.reverse_kl import ReverseKullbackLeibler
from workbench.divergences.donsker_varadhan import DonskerVaradhan
from workbench.divergences.gan import GAN
from workbench.divergences.pearson import Pearson
from workbench.divergences.neyman import Neyman
from workbench.divergences.squared_hellinger import SquaredHellinger
from workbench.divergences.total_variation import TotalVariation
from workbench.divergences.alpha import Alpha
from workbench.divergences.jeffreys import Jeffreys
from workbench.divergences.precision_recall import PrecisionRecall, precision_recall_curve
from workbench.divergences.f_gamma import FGamma
from workbench.divergences.wasserstein_critic import WassersteinCritic
from workbench.divergences.maximum_mean_discrepancy import MaximumMeanDiscrepancy, mmd_squared
from workbench.divergences.energy_distance import EnergyDistance
from workbench.divergences.sliced_wasserstein import SlicedWasserstein
from workbench.divergences.max_sliced_wasserstein import MaxSlicedWasserstein
from workbench.divergences.sinkhorn import Sinkhorn
from workbench.divergences.estimate import Estimate, estimate

__all__ = [
    "DIVERGENCES",
    "GAN",
    "Alpha",
    "Divergence",
    "DonskerVaradhan",
    "EnergyDistance",
    "Estimate",
    "FDivergence",
    "FGamma",
    "Jeffreys",
    "JensenShannon",
    "KullbackLeibler",
    "MaxSlicedWasserstein",
    "MaximumMeanDiscrepancy",
    "Neyman",
    "Pearson",
    "PrecisionRecall",
    "ReverseKullbackLeibler",
    "SampleDivergence",
    "Sinkhorn",
    "SlicedWasserstein",
    "SquaredHellinger",
    "TotalVariation",
    "VariationalDivergence",
    "WassersteinCritic",
    "estimate",
    "mmd_squared",
    "precision_recall_curve",
]
