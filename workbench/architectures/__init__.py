"""Catalogue of architectures: normalizing flows and other networks that represent p(x) or p(x | y).

A new architecture costs one file and one line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.architectures.base import ARCHITECTURES, Architecture, CostCard
from workbench.architectures.nice import NICE
from workbench.architectures.realnvp import RealNVP
from workbench.architectures.glow import Glow
from workbench.architectures.neural_spline_coupling import NeuralSplineCoupling
from workbench.architectures.maf import MAF
from workbench.architectures.iaf import IAF
from workbench.architectures.neural_spline_autoregressive import NeuralSplineAutoregressive
from workbench.architectures.regressed_ensemble import RegressedEnsemble
from workbench.architectures.regressed_mixtures import RegressedMixtures
from workbench.architectures.neural_autoregressive import NeuralAutoregressive
from workbench.architectures.unconstrained_neural_autoregressive import UnconstrainedNeuralAutoregressive
from workbench.architectures.sum_of_squares_polynomial import SumOfSquaresPolynomial
from workbench.architectures.bernstein_polynomial import BernsteinPolynomial
from workbench.architectures.gaussianization import Gaussianization
from workbench.architectures.neural_circular_spline import NeuralCircularSpline
from workbench.architectures.continuous import Continuous
from workbench.architectures.residual_flow import ResidualFlow
from workbench.architectures.inn import INN
from workbench.architectures.residual_inn import ResidualINN
from workbench.architectures.conditional_inn import ConditionalINN
from workbench.architectures.mixture_density_network import MixtureDensityNetwork
from workbench.architectures.flow_matching import FlowMatching
from workbench.architectures.made import MADE
from workbench.architectures.maf_decoder import MAFDecoder
from workbench.architectures.iaf_decoder import IAFDecoder
from workbench.architectures.vae import VAE
from workbench.architectures.conditional_vae import ConditionalVAE
from workbench.architectures.autoencoder import Autoencoder
from workbench.architectures.invertible_autoencoder import InvertibleAutoencoder
from workbench.architectures.symbolic_regression import SymbolicRegression

if TYPE_CHECKING:
    from workbench.architectures.models.inn import InnModel
    from workbench.architectures.models.made import MadeModel
    from workbench.architectures.models.regressed_ensemble import RegressedEnsembleModel
    from workbench.architectures.models.regressed_mixtures import RegressedMixturesModel
    from workbench.architectures.models.residual_flow import ResidualFlowModel
    from workbench.architectures.models.residual_inn import ResidualInnModel
    from workbench.architectures.models.symbolic_regression import SymbolicFlowModel

_MODELS = {
    "InnModel": "workbench.architectures.models.inn",
    "MadeModel": "workbench.architectures.models.made",
    "RegressedEnsembleModel": "workbench.architectures.models.regressed_ensemble",
    "RegressedMixturesModel": "workbench.architectures.models.regressed_mixtures",
    "ResidualFlowModel": "workbench.architectures.models.residual_flow",
    "ResidualInnModel": "workbench.architectures.models.residual_inn",
    "SymbolicFlowModel": "workbench.architectures.models.symbolic_regression",
}
__getattr__ = lazy_attributes(__name__, _MODELS)

__all__ = [
    "ARCHITECTURES",
    "IAF",
    "INN",
    "MAF",
    "NICE",
    "Architecture",
    "BernsteinPolynomial",
    "ConditionalINN",
    "Continuous",
    "CostCard",
    "FlowMatching",
    "Gaussianization",
    "Glow",
    "InnModel",
    "MixtureDensityNetwork",
    "NeuralAutoregressive",
    "NeuralCircularSpline",
    "NeuralSplineAutoregressive",
    "NeuralSplineCoupling",
    "RealNVP",
    "RegressedEnsemble",
    "RegressedEnsembleModel",
    "RegressedMixtures",
    "RegressedMixturesModel",
    "ResidualFlow",
    "ResidualFlowModel",
    "ResidualINN",
    "ResidualInnModel",
    "SumOfSquaresPolynomial",
    "UnconstrainedNeuralAutoregressive",
    "Autoencoder",
    "ConditionalVAE",
    "IAFDecoder",
    "InvertibleAutoencoder",
    "MADE",
    "MAFDecoder",
    "SymbolicFlowModel",
    "SymbolicRegression",
    "VAE",
    "MadeModel",
]
