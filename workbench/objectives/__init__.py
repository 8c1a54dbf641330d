"""Objectives: what is minimised, divergences put together."""

from workbench.core.catalogue import Catalogue

OBJECTIVES = Catalogue("objectives", "objective")

from workbench.objectives.base import Batch, Context, Loss, Objective  # noqa: E402
from workbench.objectives.evidence_lower_bound import EvidenceLowerBound  # noqa: E402
from workbench.objectives.flow_matching import FlowMatchingObjective  # noqa: E402
from workbench.objectives.inn import INNObjective  # noqa: E402
from workbench.objectives.maximum_likelihood import MaximumLikelihood  # noqa: E402
from workbench.objectives.reconstruction import Reconstruction  # noqa: E402
from workbench.objectives.reverse_kl import ReverseKL  # noqa: E402
from workbench.objectives.variational import Variational  # noqa: E402

for _member in (
    MaximumLikelihood,
    FlowMatchingObjective,
    EvidenceLowerBound,
    Reconstruction,
    ReverseKL,
    INNObjective,
    Variational,
):
    OBJECTIVES.register(_member)

__all__ = [
    "OBJECTIVES",
    "Batch",
    "Context",
    "EvidenceLowerBound",
    "FlowMatchingObjective",
    "INNObjective",
    "Loss",
    "MaximumLikelihood",
    "Objective",
    "Reconstruction",
    "ReverseKL",
    "Variational",
]
