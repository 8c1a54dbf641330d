"""Inversion of a trained forward network: fixed weights, and a search for inputs with a given output."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes
from workbench.inversion.base import Found, INVERSION, InversionMethod, Question
from workbench.inversion.gradient import GradientInversion
from workbench.inversion.evolutionary import EvolutionarySearch
from workbench.inversion.boundary_marking import BoundaryMarking
from workbench.inversion.forward_network import train_forward

if TYPE_CHECKING:
    from workbench.nn.forward_network import ForwardNetwork

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

__getattr__ = lazy_attributes(__name__, {"ForwardNetwork": "workbench.nn.forward_network"})
