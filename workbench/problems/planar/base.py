"""What the two-dimensional densities share: two variables without unit, no observation, a known density."""

from __future__ import annotations

from workbench.core.capability import Capability
from workbench.core.variable import Variable
from workbench.problems.base import Problem

PLANE = (Variable("x1", "x₁"), Variable("x2", "x₂"))


class PlanarDensity(Problem):
    """A density on the plane; members give ``window``, ``_draw`` and ``_log_density``."""

    @property
    def x(self) -> tuple[Variable, ...]:
        return PLANE

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({Capability.LOG_DENSITY, Capability.FULL_SUPPORT})


def square(half_width: float) -> tuple[tuple[float, float], ...]:
    """A window centred on the origin, rounded up to a tenth."""
    edge = round(half_width + 0.05, 1)
    return ((-edge, edge), (-edge, edge))
