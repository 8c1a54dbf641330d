"""Invertible networks to choose from. A new member costs one file and one line here."""

from workbench.architectures.base import Architecture, CostCard
from workbench.architectures.inn import INN, InnModel
from workbench.architectures.maf import MAF
from workbench.architectures.neural_spline_coupling import NeuralSplineCoupling
from workbench.architectures.nice import NICE
from workbench.architectures.realnvp import RealNVP
from workbench.core.catalogue import Catalogue

ARCHITECTURES = Catalogue("architectures", "architecture")
for _member in (NICE, RealNVP, NeuralSplineCoupling, MAF, INN):
    ARCHITECTURES.register(_member)

__all__ = ["ARCHITECTURES", "INN", "MAF", "NICE", "Architecture", "CostCard", "InnModel",
           "NeuralSplineCoupling", "RealNVP"]
