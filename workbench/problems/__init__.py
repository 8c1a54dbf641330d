"""Problems: where x and y come from, and what is known about them. A new member costs one file and one line here."""

from workbench.problems.base import PROBLEMS, Problem, Samples
from workbench.problems.inverse_kinematics import InverseKinematics
from workbench.problems.linear_gaussian import LinearGaussian
from workbench.problems.two_moons import TwoMoons

__all__ = ["PROBLEMS", "InverseKinematics", "LinearGaussian", "Problem", "Samples", "TwoMoons"]
