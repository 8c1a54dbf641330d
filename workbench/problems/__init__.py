"""Catalogue of problems: sources of pairs (x, y), with the densities and posteriors that are known exactly.

A new problem takes one file and one line here.
"""

# ruff: noqa: I001  (the order of these lines is the order of every menu)
from workbench.problems.base import PROBLEMS, Problem, Samples
from workbench.problems.planar.two_moons import TwoMoons
from workbench.problems.planar.eight_gaussians import EightGaussians
from workbench.problems.planar.checkerboard import Checkerboard
from workbench.problems.planar.rings import Rings
from workbench.problems.planar.pinwheel import Pinwheel
from workbench.problems.planar.two_spirals import TwoSpirals
from workbench.problems.planar.pareto import Pareto
from workbench.problems.planar.drawn import Drawn
from workbench.problems.inverse.linear_gaussian import LinearGaussian
from workbench.problems.inverse.inverse_kinematics import InverseKinematics
from workbench.problems.inverse.inverse_ballistics import InverseBallistics
from workbench.problems.inverse.sine_wave import SineWave
from workbench.problems.inverse.eight_modes import EightModes
from workbench.problems.benchmark.two_moons_posterior import TwoMoonsPosterior
from workbench.problems.benchmark.gaussian_linear import GaussianLinear
from workbench.problems.benchmark.gaussian_linear_uniform import GaussianLinearUniform
from workbench.problems.benchmark.gaussian_mixture import GaussianMixture
from workbench.problems.benchmark.slcp import SimpleLikelihoodComplexPosterior
from workbench.problems.benchmark.bernoulli_glm import BernoulliGLM
from workbench.problems.benchmark.sir import SusceptibleInfectedRecovered
from workbench.problems.benchmark.lotka_volterra import LotkaVolterra
from workbench.problems.inverse.radial_velocity import RadialVelocity
from workbench.problems.ocean.geoacoustic import GeoacousticInversion
from workbench.problems.ocean.geoacoustic_paper import GeoacousticPaper
from workbench.problems.user.kinds import describe
from workbench.problems.user.table import TableProblem
from workbench.problems.user.simulator import SimulatorProblem
from workbench.problems.user.simulations import SimulationsProblem

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
    "SimulationsProblem",
    "SimulatorProblem",
    "SineWave",
    "SusceptibleInfectedRecovered",
    "TableProblem",
    "TwoMoons",
    "TwoMoonsPosterior",
    "TwoSpirals",
    "describe",
]
