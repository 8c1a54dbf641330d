"""Numbers about a run as labelled Datasets: views of a snapshot, and diagnostics that pass a verdict."""

from __future__ import annotations

from workbench.diagnostics.checks import BUDGETS, DIAGNOSTICS, Diagnostic
from workbench.diagnostics.network_inversion import distances, invert
from workbench.diagnostics.report import Report, diagnose
from workbench.diagnostics.two_samples import c2st, exact_wasserstein
from workbench.snapshots.views import (
    VIEWS,
    ambiguity_surface,
    arm,
    bound,
    calibration,
    critic,
    density,
    divergences,
    empty,
    grid,
    invertibility,
    latent,
    losses,
    phase_folded,
    posterior,
    precision_recall,
    radial_velocity,
    resimulation,
    samples,
    search,
    sound_speed_profile,
    transmission_loss,
)

__all__ = [
    "BUDGETS",
    "DIAGNOSTICS",
    "Diagnostic",
    "Report",
    "VIEWS",
    "ambiguity_surface",
    "arm",
    "bound",
    "c2st",
    "calibration",
    "critic",
    "density",
    "diagnose",
    "distances",
    "divergences",
    "empty",
    "exact_wasserstein",
    "grid",
    "invert",
    "invertibility",
    "latent",
    "losses",
    "phase_folded",
    "posterior",
    "precision_recall",
    "radial_velocity",
    "resimulation",
    "samples",
    "search",
    "sound_speed_profile",
    "transmission_loss",
]
