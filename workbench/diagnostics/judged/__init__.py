"""Diagnostics that pass a verdict on a trained model. A new member costs one file and one line here."""

# ruff: noqa: I001  (the order of these lines is the order of every table)
from workbench.diagnostics.judged.base import BUDGETS, DIAGNOSTICS, VERDICTS, Diagnostic
from workbench.diagnostics.judged.invertibility import Invertibility
from workbench.diagnostics.judged.latent_normality import LatentNormality
from workbench.diagnostics.judged.held_out_density import HeldOutDensity
from workbench.diagnostics.judged.calibration import Calibration
from workbench.diagnostics.judged.tarp import Tarp
from workbench.diagnostics.judged.posterior_mmd import PosteriorMmd
from workbench.diagnostics.judged.resimulation_error import ResimulationError

__all__ = [
    "BUDGETS",
    "Calibration",
    "DIAGNOSTICS",
    "Diagnostic",
    "HeldOutDensity",
    "Invertibility",
    "LatentNormality",
    "PosteriorMmd",
    "ResimulationError",
    "Tarp",
    "VERDICTS",
]
