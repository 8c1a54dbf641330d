"""The two laws that a divergence compares, as samples and, where they are known, as densities.

data    (x, y) as they were held out; on the latent side (y, T_z(x))
model   (T⁻¹(y, z), y) at the same y; on the latent side (y, z)
L       log p(x | y) - log q(x | y), data over model. A bijection does not change a ratio of densities, so
        that on the latent side the ratio of the drawn law to the reached one at T(x) is -L.

The draws are those of the run's eyes: the same at each look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.core.capability import Capability

#: The evidence of planar problems is summed over this many cells along each side of a window that is wider by
#: the share below.
_CELLS, _WIDER = 48, 0.2
#: The standard error of a Monte Carlo value is taken between so many blocks.
_BLOCKS = 10


@dataclass(frozen=True)
class Sides:
    """Log-densities of data and model in data units (n,): at data points and at points of the model."""

    data_at_data: Tensor
    model_at_data: Tensor
    data_at_model: Tensor
    model_at_model: Tensor

    @property
    def log_ratios(self) -> tuple[Tensor, Tensor]:
        """L at data points and at points of the model."""
        return self.data_at_data - self.model_at_data, self.data_at_model - self.model_at_model


def joined(*parts: Tensor | None) -> Tensor:
    """The parts that are there as one table, float64 on the CPU."""
    return torch.cat([p for p in parts if p is not None], -1).detach().cpu().double()


def knows_densities(problem, capabilities: frozenset[str]) -> bool:
    """Whether p(x), or p(x | y), and the model's are known; an evidence is written down or summed in the
    plane."""
    if Capability.DENSITY not in capabilities:
        return False
    if not problem.shapes.y:
        return Capability.LOG_DENSITY in problem.capabilities
    return Capability.LOG_JOINT in problem.capabilities and (
        hasattr(problem, "log_evidence") or problem.shapes.x == 2
    )


def sides(run) -> Sides | None:
    """The log-densities at the run's fixed points; None where they are not known."""
    if not knows_densities(run.problem, run.model.capabilities):
        return None
    eyes = run.evaluation_points
    made, _ = run.model.inverse(eyes.z, eyes.y)
    return Sides(*log_densities(run, eyes.x, eyes.y), *log_densities(run, made, eyes.y))


def log_densities(run, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """log p(x | y) of the data and of the model (n,) at standardised points, in data units, float64."""
    s, problem = run.data.standardisation, run.problem
    raw = s.x_out(x.detach().cpu().double())
    if y is None:
        data = problem.log_density(raw)
    else:
        seen = s.y_out(y.detach().cpu().double())
        data = problem.log_joint(raw, seen) - _evidence(run, y)
    model = run.model.log_prob(x, y).detach().cpu().double() - s.scale_x.log().sum()
    return data, model


def _evidence(run, y: Tensor) -> Tensor:
    """log p(y) (n,); that of the eyes' own observations is computed once."""
    kept = y is run.evaluation_points.y
    if kept and run.evaluation_points.evidence is not None:
        return run.evaluation_points.evidence
    found = log_evidence(run.problem, run.data.standardisation.y_out(y.detach().cpu().double()))
    if kept:
        run.evaluation_points.evidence = found
    return found


def log_evidence(problem, y: Tensor) -> Tensor:
    """log p(y) (n,) of a problem that knows it, or by a sum over a planar window."""
    if hasattr(problem, "log_evidence"):
        return problem.log_evidence(y)
    axes, cell = [], 1.0
    for low, high in problem.window:
        margin = _WIDER * (high - low)
        edges = torch.linspace(low - margin, high + margin, _CELLS + 1, dtype=torch.float64)
        axes.append(0.5 * (edges[1:] + edges[:-1]))
        cell *= float(edges[1] - edges[0])
    points = torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, 2)
    found, which = torch.unique(y, dim=0, return_inverse=True)
    sums = [
        torch.logsumexp(problem.log_joint(points, row.expand(len(points), -1)), 0) + math.log(cell)
        for row in found
    ]
    return torch.stack(sums)[which]


def from_densities(divergence, known: Sides, *, data_first: bool) -> tuple[float, float] | None:
    """D(data, model), or with the arguments exchanged, by Monte Carlo with its standard error; None where
    it is not finite."""
    if not hasattr(divergence, "from_log_densities"):
        return None
    if data_first:
        terms = known.data_at_data, known.model_at_data, known.data_at_model, known.model_at_model
    else:
        terms = known.model_at_model, known.data_at_model, known.model_at_data, known.data_at_data
    value = float(divergence.from_log_densities(*terms))
    error = block_error(divergence.from_log_densities, *terms)
    return (value, error) if math.isfinite(value) and math.isfinite(error) else None


def block_error(function, *samples: Tensor) -> float:
    """Standard error of a function of equally long samples, from its values on blocks of them."""
    blocks = zip(*(sample.chunk(_BLOCKS) for sample in samples), strict=True)
    values = torch.stack([function(*block) for block in blocks])
    return float(values.std()) / math.sqrt(len(values))


def finite_rows(*tables: Tensor | None) -> Tensor:
    """Which rows are finite in all tables (n,)."""
    return torch.stack([t.isfinite().all(-1) for t in tables if t is not None]).all(0)
