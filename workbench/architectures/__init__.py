"""Invertible networks to choose from. A new member costs one file and one line here."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.architectures.base import ARCHITECTURES, Architecture, CostCard
from workbench.architectures.nice import NICE
from workbench.architectures.realnvp import RealNVP
from workbench.architectures.glow import Glow
from workbench.architectures.neural_spline_coupling import NeuralSplineCoupling
from workbench.architectures.maf import MAF
from workbench.architectures.iaf import IAF
from workbench.architectures.neural_spline_autoregressive import NeuralSplineAutoregressive
from workbench.architectures.regressed_ensemble import RegressedEnsemble, RegressedEnsembleModel
from workbench.architectures.regressed_mixtures import RegressedMixtures, RegressedMixturesModel
from workbench.architectures.neural_autoregressive import NeuralAutoregressive
from workbench.architectures.unconstrained_neural_autoregressive import UnconstrainedNeuralAutoregressive
from workbench.architectures.sum_of_squares_polynomial import SumOfSquaresPolynomial
from workbench.architectures.bernstein_polynomial import BernsteinPolynomial
from workbench.architectures.gaussianization import Gaussianization
from workbench.architectures.neural_circular_spline import NeuralCircularSpline
from workbench.architectures.continuous import Continuous
from workbench.architectures.residual_flow import ResidualFlow, ResidualFlowModel
from workbench.architectures.inn import INN, InnModel
from workbench.architectures.residual_inn import ResidualINN, ResidualInnModel
from workbench.architectures.conditional_inn import ConditionalINN
from workbench.architectures.mixture_density_network import MixtureDensityNetwork
from workbench.architectures.flow_matching import FlowMatching
from workbench.architectures.made import MADE, MadeModel
from workbench.architectures.maf_decoder import MAFDecoder
from workbench.architectures.iaf_decoder import IAFDecoder
from workbench.architectures.vae import VAE
from workbench.architectures.conditional_vae import ConditionalVAE
from workbench.architectures.autoencoder import Autoencoder
from workbench.architectures.invertible_autoencoder import InvertibleAutoencoder
from workbench.architectures.symbolic_regression import SymbolicFlowModel, SymbolicRegression

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
