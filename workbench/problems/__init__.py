"""Problems: where x and y come from, and what is known of them. A new member costs one file and one line."""

from workbench.problems.base import PROBLEMS, Problem, Samples
from workbench.problems.two_moons import TwoMoons  # isort: skip
from workbench.problems.eight_gaussians import EightGaussians  # isort: skip
from workbench.problems.checkerboard import Checkerboard  # isort: skip
from workbench.problems.rings import Rings  # isort: skip
from workbench.problems.pinwheel import Pinwheel  # isort: skip
from workbench.problems.two_spirals import TwoSpirals  # isort: skip
from workbench.problems.drawn import Drawn  # isort: skip
from workbench.problems.linear_gaussian import LinearGaussian  # isort: skip
from workbench.problems.inverse_kinematics import InverseKinematics  # isort: skip
from workbench.problems.eight_modes import EightModes  # isort: skip
from workbench.problems.table import TableProblem, describe  # isort: skip
from workbench.problems.simulator import SimulatorProblem  # isort: skip

# the order of the lines above is the order of every menu
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
