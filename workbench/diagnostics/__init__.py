"""Numbers about a run as labelled Datasets: views of a snapshot, and diagnostics that pass a verdict."""

from __future__ import annotations

from workbench.diagnostics.judged import BUDGETS, DIAGNOSTICS, Diagnostic
from workbench.diagnostics.report import Report, diagnose
from workbench.diagnostics.views import (
    VIEWS,
    arm,
    density,
    empty,
    grid,
    invertibility,
    latent,
    losses,
    posterior,
    resimulation,
    samples,
)

__all__ = [
    "BUDGETS",
    "DIAGNOSTICS",
    "Diagnostic",
    "Report",
    "VIEWS",
    "arm",
    "density",
    "diagnose",
    "empty",
    "grid",
    "invertibility",
    "latent",
    "losses",
    "posterior",
    "resimulation",
    "samples",
]
