"""Inverse problems with exact posteriors on which no part of the recommended recipe was developed.

task             x                                     y                              exact posterior
heavy_tails      intercept and slope of a line         six points, Student-t₂ noise   grid
counts           logarithmic rate and its slope        five Poisson counts            grid
one_unknown      position, uniform                     one number, up to four modes   grid
twenty_unknowns  a correlated normal vector            the blurred vector with noise  normal, closed form
autoregression   coefficient and log scale of AR(1)    a series of 20 values          grid
sample           log shape and log scale of a Weibull  eight independent draws        grid
direction        angle and log length of a vector      its two components with noise  grid
ocean            water depth and sediment speed        tier SWX-2 of `geoacoustic`    grid
All but the last are a user's `SimulatorProblem`: a prior and a function, with nothing else known to the
network. Grids are even, first over the prior, then over the region that holds the posterior's mass; a draw
is a cell and a uniform point in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.core.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from torch.distributions import Distribution

    from workbench.problems import Problem

#: Cells along each axis of the first and of the second grid, by the number of unknowns; log density below the
#: largest at which cells are left out of the second.
_CELLS, _NEGLIGIBLE = {1: (4000, 4000), 2: (160, 240)}, 25.0
#: Half-width of the first grid along an unknown with a normal prior, in its standard deviations.
_DEVIATIONS = 6.0
_POINTS = (-1.0, -0.5, 0.0, 0.5, 1.0)


@dataclass(frozen=True)
class UnseenTask:
    """A task: ``title``, ``problem``, ``draw(y, n, generator)`` -> independent exact draws (n, D) at y (M,),
    and ``log_posterior(x, y)`` -> normalised exact log p(x | y) (n,) of x (n, D) at the rows of y (n, M)."""

    title: str
    problem: Problem
    draw: Callable[[Tensor, int, torch.Generator], Tensor]
    log_posterior: Callable[[Tensor, Tensor], Tensor]


def unseen_task(key: str) -> UnseenTask:
    """Return the task of this key, one of `TASKS`."""
    return TASKS[key]()


class _Grid:
    """Posterior of one or two unknowns on a grid, from log_joint(x (n, D), y (M,)) -> (n,) in ``box``."""

    def __init__(self, log_joint: Callable[[Tensor, Tensor], Tensor], box: list[tuple[float, float]]) -> None:
        self.log_joint, self.box = log_joint, torch.tensor(box).double()

    def cells(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return centres (K, D), log densities (K,) and widths (D,) of the second grid's cells."""
        first, second = _CELLS[len(self.box)]
        centres, width = self._even(self.box, first)
        logs = self.log_joint(centres, y)
        inside = centres[logs > logs.max() - _NEGLIGIBLE]
        low, high = inside.amin(0) - 1.5 * width, inside.amax(0) + 1.5 * width
        box = torch.stack([low.maximum(self.box[:, 0]), high.minimum(self.box[:, 1])], 1)
        centres, width = self._even(box, second)
        return centres, self.log_joint(centres, y), width

    @staticmethod
    def _even(box: Tensor, count: int) -> tuple[Tensor, Tensor]:
        width = (box[:, 1] - box[:, 0]) / count
        axes = [
            low + w * (torch.arange(count).double() + 0.5) for low, w in zip(box[:, 0], width, strict=True)
        ]
        return torch.cartesian_prod(*axes).reshape(-1, len(box)), width

    def draw(self, y: Tensor, n: int, generator: torch.Generator) -> Tensor:
        centres, logs, width = self.cells(y)
        rows = torch.multinomial(logs.softmax(0), n, True, generator=generator)
        jitter = torch.rand(n, len(width), generator=generator, dtype=torch.float64) - 0.5
        return centres[rows] + width * jitter

    def log_posterior(self, x: Tensor, y: Tensor) -> Tensor:
        values = []
        for row, observation in zip(x, y, strict=True):
            _, logs, width = self.cells(observation)
            evidence = logs.logsumexp(0) + width.log().sum()
            values.append(self.log_joint(row[None], observation)[0] - evidence)
        return torch.stack(values)


def _gridded(
    title: str,
    prior: dict[str, Distribution],
    simulate: Callable[[Tensor], Tensor],
    log_likelihood: Callable[[Tensor, Tensor], Tensor],
    variables: tuple[Variable, ...] = (),
) -> UnseenTask:
    """Return a task with independent priors, whose ``log_likelihood`` maps x (n, D), y (M,) to (n,)."""
    from workbench.problems import SimulatorProblem

    def log_joint(x: Tensor, y: Tensor) -> Tensor:
        parts = [p.log_prob(column) for p, column in zip(prior.values(), x.T, strict=True)]
        return sum(parts) + log_likelihood(x, y)

    box = []
    for part in prior.values():
        if isinstance(part, torch.distributions.Uniform):
            box.append((float(part.low), float(part.high)))
        else:
            reach = _DEVIATIONS * float(part.stddev)
            box.append((float(part.mean) - reach, float(part.mean) + reach))
    grid = _Grid(log_joint, box)
    problem = SimulatorProblem(prior, simulate, list(variables))
    return UnseenTask(title, problem, grid.draw, grid.log_posterior)


def _normal(mean: float, deviation: float) -> Distribution:
    return torch.distributions.Normal(torch.tensor(mean).double(), torch.tensor(deviation).double())


def _uniform(low: float, high: float) -> Distribution:
    # points at the very edge of a grid's cells are inside
    ends = torch.tensor([low, high]).double()
    return torch.distributions.Uniform(ends[0], ends[1], validate_args=False)


def _line(x: Tensor, points: tuple[float, ...]) -> Tensor:
    return x[:, :1] + x[:, 1:] * torch.tensor(points).double()


def _heavy_tails() -> UnseenTask:
    points, scale = (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0), 0.3
    noise = torch.distributions.StudentT(torch.tensor(2.0).double(), 0.0, scale)

    def simulate(x: Tensor) -> Tensor:
        return _line(x, points) + noise.sample((len(x), len(points)))

    def log_likelihood(x: Tensor, y: Tensor) -> Tensor:
        return noise.log_prob(y - _line(x, points)).sum(1)

    prior = {"intercept": _normal(0.0, 2.0), "slope": _normal(0.0, 1.0)}
    return _gridded("Line with heavy-tailed noise", prior, simulate, log_likelihood)


def _counts() -> UnseenTask:
    def simulate(x: Tensor) -> Tensor:
        return torch.poisson(_line(x, _POINTS).exp())

    def log_likelihood(x: Tensor, y: Tensor) -> Tensor:
        logs = _line(x, _POINTS)
        return (y * logs - logs.exp() - torch.lgamma(y + 1)).sum(1)

    prior = {"log_rate": _normal(1.0, 0.7), "slope": _normal(0.0, 0.7)}
    return _gridded("Poisson counts", prior, simulate, log_likelihood)


def _one_unknown() -> UnseenTask:
    def mean(x: Tensor) -> Tensor:
        return (2 * x).sin() + 0.2 * x

    def simulate(x: Tensor) -> Tensor:
        return mean(x) + 0.15 * torch.randn(x.shape).double()

    def log_likelihood(x: Tensor, y: Tensor) -> Tensor:
        return _normal(0.0, 0.15).log_prob(y - mean(x))[:, 0]

    return _gridded("One unknown, several modes", {"position": _uniform(-3, 3)}, simulate, log_likelihood)


def _autoregression() -> UnseenTask:
    length = 20

    def simulate(x: Tensor) -> Tensor:
        coefficient, scale = x[:, 0], x[:, 1].exp()
        value = scale / (1 - coefficient.square()).sqrt() * torch.randn(len(x)).double()
        series = [value]
        for _ in range(length - 1):
            value = coefficient * value + scale * torch.randn(len(x)).double()
            series.append(value)
        return torch.stack(series, 1)

    def log_likelihood(x: Tensor, y: Tensor) -> Tensor:
        # the residuals' sum of squares is a quadratic of the coefficient
        coefficient, log_scale = x[:, 0], x[:, 1]
        before, after = y[:-1], y[1:]
        squares = after.square().sum() - 2 * coefficient * (before * after).sum()
        squares = squares + coefficient.square() * before.square().sum()
        stationary = 1 - coefficient.square()
        squares = squares + stationary * y[0].square()
        constant = length * (log_scale + 0.5 * math.log(2 * math.pi)) - 0.5 * stationary.log()
        return -0.5 * squares * (-2 * log_scale).exp() - constant

    prior = {"coefficient": _uniform(-0.95, 0.95), "log_scale": _normal(0.0, 0.5)}
    return _gridded("Autoregressive series", prior, simulate, log_likelihood)


def _sample() -> UnseenTask:
    size = 8

    def simulate(x: Tensor) -> Tensor:
        shape, scale = x[:, :1].exp(), x[:, 1:].exp()
        return scale * (-torch.rand(len(x), size).double().clamp(1e-300, 1 - 1e-12).log()) ** (1 / shape)

    def log_likelihood(x: Tensor, y: Tensor) -> Tensor:
        shape = x[:, :1].exp()
        logs = y.clamp(min=1e-300).log() - x[:, 1:]
        return (x[:, :1] - x[:, 1:] + (shape - 1) * logs - (shape * logs).exp()).sum(1)

    prior = {"log_shape": _normal(0.5, 0.4), "log_scale": _normal(0.0, 0.7)}
    return _gridded("Sample of eight, in any order", prior, simulate, log_likelihood)


def _direction() -> UnseenTask:
    noise = 0.5

    def components(x: Tensor) -> Tensor:
        return x[:, 1:].exp() * torch.stack([x[:, 0].cos(), x[:, 0].sin()], 1)

    def simulate(x: Tensor) -> Tensor:
        return components(x) + noise * torch.randn(len(x), 2).double()

    def log_likelihood(x: Tensor, y: Tensor) -> Tensor:
        return _normal(0.0, noise).log_prob(y - components(x)).sum(1)

    angle = Variable("angle", low=-math.pi, high=math.pi, period=2 * math.pi)
    prior = {"angle": _uniform(-math.pi, math.pi), "log_length": _normal(0.0, 0.5)}
    return _gridded("Direction, periodic", prior, simulate, log_likelihood, (angle, Variable("log_length")))


def _twenty_unknowns() -> UnseenTask:
    from workbench.problems import SimulatorProblem

    size, noise = 20, 0.5
    place = torch.arange(size).double()
    distance = (place[:, None] - place).abs()
    prior = 0.9**distance
    blur = (distance <= 1).double() / 3
    precision = torch.linalg.inv(prior) + blur.T @ blur / noise**2
    covariance = torch.linalg.inv(precision)
    factor = torch.linalg.cholesky(0.5 * (covariance + covariance.T))
    gain = covariance @ blur.T / noise**2
    root = torch.linalg.cholesky(prior)

    def draw_prior(n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, size, generator=generator, dtype=torch.float64) @ root.T

    def simulate(x: Tensor) -> Tensor:
        return x @ blur.T + noise * torch.randn(x.shape).double()

    def draw(y: Tensor, n: int, generator: torch.Generator) -> Tensor:
        return gain @ y + torch.randn(n, size, generator=generator, dtype=torch.float64) @ factor.T

    def log_posterior(x: Tensor, y: Tensor) -> Tensor:
        residual = torch.linalg.solve_triangular(factor, (x - y @ gain.T).T, upper=False)
        constant = factor.diagonal().log().sum() + 0.5 * size * math.log(2 * math.pi)
        return -0.5 * residual.square().sum(0) - constant

    variables = [Variable(f"x_{i + 1}") for i in range(size)]
    problem = SimulatorProblem(draw_prior, simulate, variables)
    return UnseenTask("Twenty correlated unknowns", problem, draw, log_posterior)


def _ocean() -> UnseenTask:
    from workbench.problems import PROBLEMS
    from workbench.problems.ocean.geoacoustic import HYDROPHONES
    from workbench.problems.ocean.geoacoustic_field import as_recordings

    problem = PROBLEMS.make("geoacoustic", tier="swx_2")
    box = torch.tensor(problem.window).double()
    signals: list[Tensor] = []

    def log_posterior(x: Tensor, y: Tensor) -> Tensor:
        if not signals:  # the fields on the grid do not depend on the observation
            centres, _ = _Grid._even(box, 160)
            signals.append(problem.signals(centres))
        logs = []
        for recording in as_recordings(y.double(), HYDROPHONES):
            values = problem.log_likelihood(signals[0], recording)
            logs.append(values.logsumexp(0) - math.log(len(values)))
        return problem.log_joint(x, y) - torch.stack(logs)

    return UnseenTask("Seabed from sound, SWX-2", problem, problem.reference_posterior, log_posterior)


TASKS: dict[str, Callable[[], UnseenTask]] = {
    "heavy_tails": _heavy_tails,
    "counts": _counts,
    "one_unknown": _one_unknown,
    "twenty_unknowns": _twenty_unknowns,
    "autoregression": _autoregression,
    "sample": _sample,
    "direction": _direction,
    "ocean": _ocean,
}
