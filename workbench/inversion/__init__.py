"""Inverting a trained forward network: weights stay as they are, inputs are searched for."""

from workbench.core.catalogue import Catalogue
from workbench.inversion.base import Found, InversionMethod, Question
from workbench.inversion.boundary_marking import BoundaryMarking
from workbench.inversion.evolutionary import EvolutionarySearch
from workbench.inversion.forward_network import ForwardNetwork, train_forward
from workbench.inversion.gradient import GradientInversion

INVERSION = Catalogue("inversion methods", "inversion method")
for _member in (GradientInversion, EvolutionarySearch, BoundaryMarking):
    INVERSION.register(_member)

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
