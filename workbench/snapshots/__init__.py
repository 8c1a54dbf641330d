"""Snapshots of a training run: arrays computed from the network, and views that label them as Datasets.

To add a view, write one module and import it here; the plot of the view with key NAME is the function
``workbench.plots.NAME``.
"""

# ruff: noqa: I001  (the order of these lines is the order of reports and tables)
from workbench.snapshots.base import VIEWS, SnapshotContext, SnapshotPart, View
from workbench.snapshots.samples import Samples
from workbench.snapshots.latent import Latent
from workbench.snapshots.density import Density
from workbench.snapshots.grid import Grid
from workbench.snapshots.losses import Losses
from workbench.snapshots.posterior import Posterior
from workbench.snapshots.resimulation import Resimulation
from workbench.snapshots.arm import Arm
from workbench.snapshots.radial_velocity import RadialVelocity
from workbench.snapshots.phase_folded import PhaseFolded
from workbench.snapshots.ocean import Ocean
from workbench.snapshots.sound_speed_profile import SoundSpeedProfile
from workbench.snapshots.ambiguity_surface import AmbiguitySurface
from workbench.snapshots.transmission_loss import TransmissionLoss
from workbench.snapshots.invertibility import Invertibility
from workbench.snapshots.calibration import Calibration
from workbench.snapshots.bound import Bound
from workbench.snapshots.critic import Critic
from workbench.snapshots.precision_recall import PrecisionRecall
from workbench.snapshots.divergences import Divergences
from workbench.snapshots.labelling import Blank, empty
from workbench.snapshots.selection import applicable, at_first, missing, requested_parts
from workbench.snapshots.snapshot import Snapshot, SnapshotRequest, take_snapshot

__all__ = [
    "VIEWS",
    "AmbiguitySurface",
    "Arm",
    "Blank",
    "Bound",
    "Calibration",
    "Critic",
    "Density",
    "Divergences",
    "Grid",
    "Invertibility",
    "Latent",
    "Losses",
    "Ocean",
    "PhaseFolded",
    "Posterior",
    "PrecisionRecall",
    "RadialVelocity",
    "Resimulation",
    "Samples",
    "Snapshot",
    "SnapshotContext",
    "SnapshotPart",
    "SnapshotRequest",
    "SoundSpeedProfile",
    "TransmissionLoss",
    "View",
    "applicable",
    "at_first",
    "empty",
    "missing",
    "requested_parts",
    "take_snapshot",
]
