"""Inverting a trained forward network: weights stay as they are, inputs are searched for."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.inversion.base import Found, INVERSION, InversionMethod, Question
from workbench.inversion.gradient import GradientInversion
from workbench.inversion.evolutionary import EvolutionarySearch
from workbench.inversion.boundary_marking import BoundaryMarking
from workbench.inversion.forward_network import ForwardNetwork, train_forward

__all__ = [
    "INVERSION",
    "BoundaryMarking",
    "EvolutionarySearch",
    "ForwardNetwork",
    "Found",
    "GradientInversion",
    "InversionMethod",
    "Question",
    "train_forward",
]
