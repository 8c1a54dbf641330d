"""Objectives: training losses as weighted sums of named parts, likelihoods, divergences and regressions."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.objectives.base import Batch, Context, Loss, OBJECTIVES, Objective
from workbench.objectives.maximum_likelihood import MaximumLikelihood
from workbench.objectives.flow_matching import FlowMatchingObjective
from workbench.objectives.evidence_lower_bound import EvidenceLowerBound
from workbench.objectives.reconstruction import Reconstruction
from workbench.objectives.reverse_kl import ReverseKL
from workbench.objectives.inn import INNObjective
from workbench.objectives.variational import Variational

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
