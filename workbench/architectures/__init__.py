"""Invertible networks to choose from. A new member costs one file and one line here."""

from workbench.architectures.base import Architecture, CostCard
from workbench.architectures.neural_spline_coupling import NeuralSplineCoupling
from workbench.architectures.realnvp import RealNVP
from workbench.core.catalogue import Catalogue

ARCHITECTURES = Catalogue("architectures", "architecture")
for _member in (RealNVP, NeuralSplineCoupling):
    ARCHITECTURES.register(_member)

__all__ = ["ARCHITECTURES", "Architecture", "CostCard", "NeuralSplineCoupling", "RealNVP"]
