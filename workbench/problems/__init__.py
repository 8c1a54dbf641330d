"""Problems: where x and y come from, and what is known of them. A new member costs one file and one line."""

# ruff: noqa: I001  (the order of these lines is the order of every menu)
from workbench.problems.base import PROBLEMS, Problem, Samples
from workbench.problems.two_moons import TwoMoons
from workbench.problems.eight_gaussians import EightGaussians
from workbench.problems.checkerboard import Checkerboard
from workbench.problems.rings import Rings
from workbench.problems.pinwheel import Pinwheel
from workbench.problems.two_spirals import TwoSpirals
from workbench.problems.drawn import Drawn
from workbench.problems.linear_gaussian import LinearGaussian
from workbench.problems.inverse_kinematics import InverseKinematics
from workbench.problems.eight_modes import EightModes
from workbench.problems.table import TableProblem, describe
from workbench.problems.simulator import SimulatorProblem

__all__ = [
    "PROBLEMS",
    "Checkerboard",
    "Drawn",
    "EightGaussians",
    "EightModes",
    "InverseKinematics",
    "LinearGaussian",
    "Pinwheel",
    "Problem",
    "Rings",
    "Samples",
    "SimulatorProblem",
    "TableProblem",
    "TwoMoons",
    "TwoSpirals",
    "describe",
]
