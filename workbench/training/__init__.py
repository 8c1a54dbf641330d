"""Experiments (what is trained, with which settings), runs (the training itself) and run folders on disk.

Run, FittedModel and Posterior need torch and are imported on first use.
"""

from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes
from workbench.training.compatibility import fits, refusals
from workbench.training.experiment import Experiment
from workbench.training.folder import RunFolder, home
from workbench.training.history import History, Record
from workbench.training.run_list import RunInfo, Runs
from workbench.training.settings import Training

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.inference.posterior import Posterior
    from workbench.training.run import Run

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

__getattr__ = lazy_attributes(
    __name__,
    {
        "FittedModel": "workbench.inference.fitted_model",
        "Posterior": "workbench.inference.posterior",
        "Run": "workbench.training.run",
        # names of version 0.1.0; they stand in workbench.snapshots, above training
        "Snapshot": "workbench.snapshots",
        "SnapshotRequest": "workbench.snapshots",
        "VIEWS": "workbench.snapshots",
    },
)
