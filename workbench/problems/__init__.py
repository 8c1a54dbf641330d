"""Problems: where x and y come from, and what is known of them. A new member costs one file and one
line."""

# ruff: noqa: I001  (the order of these lines is the order of every menu)
from workbench.problems.base import PROBLEMS, Problem, Samples
from workbench.problems.two_moons import TwoMoons
from workbench.problems.eight_gaussians import EightGaussians
from workbench.problems.checkerboard import Checkerboard
from workbench.problems.rings import Rings
from workbench.problems.pinwheel import Pinwheel
from workbench.problems.two_spirals import TwoSpirals
from workbench.problems.pareto import Pareto
from workbench.problems.drawn import Drawn
from workbench.problems.linear_gaussian import LinearGaussian
from workbench.problems.inverse_kinematics import InverseKinematics
from workbench.problems.inverse_ballistics import InverseBallistics
from workbench.problems.sine_wave import SineWave
from workbench.problems.eight_modes import EightModes
from workbench.problems.two_moons_posterior import TwoMoonsPosterior
from workbench.problems.gaussian_linear import GaussianLinear
from workbench.problems.gaussian_linear_uniform import GaussianLinearUniform
from workbench.problems.gaussian_mixture import GaussianMixture
from workbench.problems.slcp import SimpleLikelihoodComplexPosterior
from workbench.problems.bernoulli_glm import BernoulliGLM
from workbench.problems.sir import SusceptibleInfectedRecovered
from workbench.problems.lotka_volterra import LotkaVolterra
from workbench.problems.radial_velocity import RadialVelocity
from workbench.problems.geoacoustic import GeoacousticInversion
from workbench.problems.geoacoustic_paper import GeoacousticPaper
from workbench.problems.table import TableProblem, describe
from workbench.problems.simulator import SimulatorProblem

__all__ = [
    "PROBLEMS",
    "BernoulliGLM",
    "Checkerboard",
    "Drawn",
    "EightGaussians",
    "EightModes",
    "GaussianLinear",
    "GaussianLinearUniform",
    "GaussianMixture",
    "GeoacousticInversion",
    "GeoacousticPaper",
    "InverseBallistics",
    "InverseKinematics",
    "LinearGaussian",
    "LotkaVolterra",
    "Pareto",
    "Pinwheel",
    "Problem",
    "RadialVelocity",
    "Rings",
    "Samples",
    "SimpleLikelihoodComplexPosterior",
    "SimulatorProblem",
    "SineWave",
    "SusceptibleInfectedRecovered",
    "TableProblem",
    "TwoMoons",
    "TwoMoonsPosterior",
    "TwoSpirals",
    "describe",
]
