"""Experiment and Run: what is chosen, and what happens."""

from workbench.inference.fitted_model import FittedModel, Posterior
from workbench.training.compatibility import fits, refusals
from workbench.training.experiment import Experiment
from workbench.training.folder import RunFolder, RunInfo, Runs, home
from workbench.training.history import History, Record
from workbench.training.run import Run
from workbench.training.settings import Training

__all__ = [
    "Experiment",
    "FittedModel",
    "History",
    "Posterior",
    "Record",
    "Run",
    "RunFolder",
    "RunInfo",
    "Runs",
    "Training",
    "fits",
    "home",
    "refusals",
]
