"""Diagnostics, each with a verdict on a trained model. A new one takes one file and one import here."""

# ruff: noqa: I001  (the order of these lines is the order of every table)
from workbench.diagnostics.checks.base import BUDGETS, DIAGNOSTICS, VERDICTS, Diagnostic
from workbench.diagnostics.checks.invertibility import Invertibility
from workbench.diagnostics.checks.latent_normality import LatentNormality
from workbench.diagnostics.checks.held_out_density import HeldOutDensity
from workbench.diagnostics.checks.calibration import Calibration
from workbench.diagnostics.checks.expected_coverage import ExpectedCoverage
from workbench.diagnostics.checks.tarp import Tarp
from workbench.diagnostics.checks.local_c2st import LocalC2st
from workbench.diagnostics.checks.contraction import Contraction
from workbench.diagnostics.checks.posterior_mmd import PosteriorMmd
from workbench.diagnostics.checks.posterior_wasserstein import PosteriorWasserstein
from workbench.diagnostics.checks.posterior_c2st import PosteriorC2st
from workbench.diagnostics.checks.resimulation_error import ResimulationError
from workbench.diagnostics.checks.posterior_predictive import PosteriorPredictive
from workbench.diagnostics.checks.lipschitz import Lipschitz
from workbench.diagnostics.checks.out_of_distribution import OutOfDistribution

__all__ = [
    "BUDGETS",
    "Calibration",
    "Contraction",
    "DIAGNOSTICS",
    "Diagnostic",
    "ExpectedCoverage",
    "HeldOutDensity",
    "Invertibility",
    "LatentNormality",
    "Lipschitz",
    "LocalC2st",
    "OutOfDistribution",
    "PosteriorC2st",
    "PosteriorMmd",
    "PosteriorPredictive",
    "PosteriorWasserstein",
    "ResimulationError",
    "Tarp",
    "VERDICTS",
]
