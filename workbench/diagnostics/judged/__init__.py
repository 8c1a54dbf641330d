"""Diagnostics that pass a verdict on a trained model. A new member costs one file and one line here."""

# ruff: noqa: I001  (the order of these lines is the order of every table)
from workbench.diagnostics.judged.base import BUDGETS, DIAGNOSTICS, VERDICTS, Diagnostic
from workbench.diagnostics.judged.invertibility import Invertibility
from workbench.diagnostics.judged.latent_normality import LatentNormality
from workbench.diagnostics.judged.held_out_density import HeldOutDensity
from workbench.diagnostics.judged.calibration import Calibration
from workbench.diagnostics.judged.expected_coverage import ExpectedCoverage
from workbench.diagnostics.judged.tarp import Tarp
from workbench.diagnostics.judged.local_c2st import LocalC2st
from workbench.diagnostics.judged.contraction import Contraction
from workbench.diagnostics.judged.posterior_mmd import PosteriorMmd
from workbench.diagnostics.judged.posterior_wasserstein import PosteriorWasserstein
from workbench.diagnostics.judged.posterior_c2st import PosteriorC2st
from workbench.diagnostics.judged.resimulation_error import ResimulationError
from workbench.diagnostics.judged.posterior_predictive import PosteriorPredictive
from workbench.diagnostics.judged.lipschitz import Lipschitz
from workbench.diagnostics.judged.out_of_distribution import OutOfDistribution

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
