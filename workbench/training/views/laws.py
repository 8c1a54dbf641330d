"""The laws that a divergence compares, as samples and, where they are known, as densities.

P_{Y,Z} against P_{Y,T_z(X)} is the theorem's pair. A bijection does not change an f-divergence, so that the
second law's density at T(x), over the first's, is that of the data over the model's at x.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.core import capability


def joined(y: Tensor | None, z: Tensor) -> Tensor:
    """(y, z) as one table, float64 on the CPU."""
    return (z if y is None else torch.cat([y, z], -1)).detach().cpu().double()


def knows_densities(problem, capabilities: frozenset[str]) -> bool:
    """Whether data and model both have a density that is known: p(x), or p(x | y) with its evidence."""
    if capability.DENSITY not in capabilities:
        return False
    if not problem.shapes.y:
        return capability.LOG_DENSITY in problem.capabilities
    return capability.LOG_JOINT in problem.capabilities and hasattr(problem, "log_evidence")


def log_densities(run, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """log p(x | y) of the data and of the model (n,) at standardised points, in data units, float64."""
    s, problem = run.data.standardisation, run.problem
    raw = s.x_out(x.detach().cpu().double())
    if y is None:
        data = problem.log_density(raw)
    else:
        seen = s.y_out(y.detach().cpu().double())
        data = problem.log_joint(raw, seen) - problem.log_evidence(seen)
    model = run.model.log_prob(x, y).detach().cpu().double() - s.scale_x.log().sum()
    return data, model


def finite_rows(*tables: Tensor | None) -> Tensor:
    """Which rows are finite in all tables (n,)."""
    return torch.stack([t.isfinite().all(-1) for t in tables if t is not None]).all(0)
