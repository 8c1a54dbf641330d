"""Log-densities and log-ratios of the two distributions that a divergence compares, at the evaluation points.

data    (x, y) from the held-out data; on the latent side (y, T_z(x))
model   (T⁻¹(y, z), y) at the same y; on the latent side (y, z)
L       log p(x | y) - log q(x | y), p of the data and q of the model. A bijection does not change a ratio of
        densities: on the latent side the log-ratio of the distribution of z to that of T_z(x) is -L.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences import Divergence
    from workbench.problems import Problem
    from workbench.training import Run

#: Cells along each side of the grid over which p(y) is summed for two variables x, and the margin around the
#: problem's plotted range that it covers, as a fraction of that range.
_CELLS, _WIDER = 48, 0.2
#: Number of blocks from which the standard error of a Monte Carlo value is estimated.
_BLOCKS = 10


@dataclass(frozen=True)
class LogDensities:
    """Log-densities (n,) of data and model, in data units, at points of the data and of the model."""

    data_at_data: Tensor
    model_at_data: Tensor
    data_at_model: Tensor
    model_at_model: Tensor

    @property
    def log_ratios(self) -> tuple[Tensor, Tensor]:
        """L = log p - log q at data points and at points of the model."""
        return self.data_at_data - self.model_at_data, self.data_at_model - self.model_at_model


def joint_table(*parts: Tensor | None) -> Tensor:
    """Concatenate tensors (n, …) along the columns, float64 on the CPU; None is left out."""
    return torch.cat([p for p in parts if p is not None], -1).detach().cpu().double()


def has_known_densities(problem: Problem, capabilities: Collection[str]) -> bool:
    """Return True if the densities of problem and model, of x or of x given y, can be computed.

    ``capabilities`` are those of the model. For x given y the problem must know the evidence p(y), or x must
    have two variables, so that it can be summed over a grid.
    """
    if Capability.DENSITY not in capabilities:
        return False
    if not problem.shapes.y:
        return Capability.LOG_DENSITY in problem.capabilities
    return Capability.LOG_JOINT in problem.capabilities and (
        hasattr(problem, "log_evidence") or problem.shapes.x == 2
    )


def evaluated_densities(run: Run) -> LogDensities | None:
    """Return the log-densities at the run's evaluation points; None where they cannot be computed."""
    if not has_known_densities(run.problem, run.model.capabilities):
        return None
    points = run.evaluation_points
    samples, _ = run.model.inverse(points.z, points.y)
    return LogDensities(*log_densities(run, points.x, points.y), *log_densities(run, samples, points.y))


def log_densities(run: Run, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return log p(x | y) under data and model, (n,) each, at standardised points, in data units, float64."""
    s, problem = run.data.standardisation, run.problem
    raw, volume = s.x_out_with_volume(x.detach().cpu())
    if y is None:
        data = problem.log_density(raw)
    else:
        data = problem.log_joint(raw, s.y_out(y.detach().cpu())) - _evidence(run, y)
    model = run.model.log_prob(x, y).detach().cpu().double() - volume
    return data, model


def _evidence(run: Run, y: Tensor) -> Tensor:
    """Return log p(y) (n,) for standardised y; cached for the run's evaluation points."""
    points = run.evaluation_points
    is_fixed = y is points.y
    if is_fixed and points.evidence is not None:
        return points.evidence
    evidence = log_evidence(run.problem, run.data.standardisation.y_out(y.detach().cpu()))
    if is_fixed:
        points.evidence = evidence
    return evidence


def log_evidence(problem: Problem, y: Tensor) -> Tensor:
    """Return log p(y) (n,) as the problem knows it, or summed over a grid for two variables x."""
    if hasattr(problem, "log_evidence"):
        return problem.log_evidence(y)
    axes, cell = [], 1.0
    for low, high in problem.window:
        margin = _WIDER * (high - low)
        edges = torch.linspace(low - margin, high + margin, _CELLS + 1, dtype=torch.float64)
        axes.append(0.5 * (edges[1:] + edges[:-1]))
        cell *= float(edges[1] - edges[0])
    points = torch.stack(torch.meshgrid(axes, indexing="xy"), -1).reshape(-1, 2)
    rows, index = torch.unique(y, dim=0, return_inverse=True)
    sums = [
        torch.logsumexp(problem.log_joint(points, row.expand(len(points), -1)), 0) + math.log(cell)
        for row in rows
    ]
    return torch.stack(sums)[index]


def divergence_from_densities(
    divergence: Divergence, densities: LogDensities, *, data_first: bool
) -> tuple[float, float] | None:
    """Return D(data, model), or with the arguments exchanged, by Monte Carlo with its standard error.

    None where it is not finite, or the divergence has no formula in terms of log-densities.
    """
    function: Any = getattr(divergence, "from_log_densities", None)
    if function is None:
        return None
    d = densities
    if data_first:
        terms = d.data_at_data, d.model_at_data, d.data_at_model, d.model_at_model
    else:
        terms = d.model_at_model, d.data_at_model, d.model_at_data, d.data_at_data
    value, error = float(function(*terms)), block_error(function, *terms)
    return (value, error) if math.isfinite(value) and math.isfinite(error) else None


def block_error(function: Callable[..., Tensor], *samples: Tensor) -> float:
    """Return the standard error of ``function(*samples)``, from its values on blocks of the samples."""
    blocks = zip(*(sample.chunk(_BLOCKS) for sample in samples), strict=True)
    values = torch.stack([function(*block) for block in blocks])
    return float(values.std()) / math.sqrt(len(values))


def finite_rows(*tables: Tensor | None) -> Tensor:
    """Return a mask (n,) of the rows that are finite in all tensors; None is left out."""
    return torch.stack([t.isfinite().all(-1) for t in tables if t is not None]).all(0)
