"""Base class of two-dimensional densities: two variables without unit, no observation, a known density."""

from __future__ import annotations

from workbench.core.capability import Capability
from workbench.core.variable import Variable
from workbench.problems.base import Problem

PLANE = (Variable("x1", "x₁"), Variable("x2", "x₂"))


class PlanarDensity(Problem):
    """A density on the plane; subclasses implement ``window``, ``_draw`` and ``_log_density``."""

    @property
    def x(self) -> tuple[Variable, ...]:
        return PLANE

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.LOG_DENSITY, Capability.FULL_SUPPORT})
