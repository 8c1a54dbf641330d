"""Experiment and Run: what is chosen, and what happens."""

from workbench.training.compatibility import fits, refusals
from workbench.training.experiment import Experiment
from workbench.training.fitted import FittedModel, Posterior
from workbench.training.folder import RunFolder, RunInfo, Runs, home
from workbench.training.history import History, Record
from workbench.training.run import Run
from workbench.training.settings import Training
from workbench.training.snapshot import VIEWS, Snapshot, SnapshotRequest

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
    "Snapshot",
    "SnapshotRequest",
    "Training",
    "VIEWS",
    "fits",
    "home",
    "refusals",
]
