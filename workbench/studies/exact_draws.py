"""Independent draws of exact posteriors, made without a network and without a Markov chain.

closed form  where the problem has one (`Problem.reference_posterior`)
SLCP         spread and correlation (x₃, x₄, x₅) from their marginal posterior, by rejection within the cells
             of a grid; the mean (x₁, x₂) given them is normal, and draws outside the prior's square are
             rejected
elsewhere    rejection from a Student distribution, in log x where x is positive. It is fitted to the
             posterior by importance sampling along a sequence of tempered likelihoods, which starts at the
             prior: for posteriors with one mode
The largest weight stands for the rejection constant; the number of proposals is raised until enough are
accepted, so that all draws are independent.
Source: Robert & Casella 2004, Monte Carlo Statistical Methods, 2.3 and 14.4; Neal 2001 (tempering).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from workbench.problems import Problem

#: Proposals in each tempering stage and in each batch of the rejection; least share of effective weights.
_STAGE, _BATCH, _LEAST_SHARE, _STAGES, _BATCHES = 8000, 30_000, 0.3, 60, 40
_FREEDOM, _STRETCH = 6.0, 1.15
#: Cells of the grid of SLCP along each of three axes, and proposals of its rejection.
_CELLS, _PROPOSALS = (160, 160, 120), 400_000


def exact_draws(problem: Problem, y: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n independent x (n, D), float64, from the exact p(x | y) at y (M,).

    Raises `DataError` where neither a closed form nor a joint density is known, or rejection fails.
    """
    if Capability.REFERENCE_POSTERIOR in problem.capabilities:
        return problem.reference_posterior(y, n, generator)
    if Capability.LOG_JOINT not in problem.capabilities:
        raise DataError("Exact draws need a joint density", found=f"'{problem.key}' has none")
    y = y.double()
    return _slcp(problem, y, n, generator) if problem.key == "slcp" else _rejection(problem, y, n, generator)


def _rejection(problem: Problem, y: Tensor, n: int, generator: torch.Generator) -> Tensor:
    positive = torch.tensor([v.low == 0 and math.isinf(v.high) for v in problem.x])

    def to_x(u: Tensor) -> Tensor:
        return torch.where(positive, u.exp(), u)

    def log_posterior(u: Tensor) -> Tensor:
        value = problem.log_joint(to_x(u), y.expand(len(u), -1)) + (u * positive).sum(1)
        return value.nan_to_num(nan=-math.inf)

    x = problem.prior(_STAGE, generator)
    u = torch.where(positive, x.clamp(min=1e-300).log(), x)
    fit = _fitted_student(u, log_posterior, generator)
    points, weights = [], []
    for _ in range(_BATCHES):
        u, log_q = fit.draw(_BATCH, generator)
        points.append(to_x(u))
        weights.append(log_posterior(u) - log_q)
        weight = torch.cat(weights)
        level = torch.rand(len(weight), generator=generator, dtype=torch.float64).log()
        indices = (weight - weight.max() > level).nonzero()[:, 0]
        if len(indices) >= n:
            return torch.cat(points)[indices[:n]]
    raise DataError(
        "Exact draws by rejection are too rare",
        expected=f"{n} draws",
        found=f"{len(indices)} of {_BATCH * _BATCHES} proposals accepted",
    )


class _Student:
    """Multivariate Student distribution with location (D,) and Cholesky factor (D, D) of its scale matrix."""

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean = mean
        ridge = 1e-10 * covariance.diagonal().mean() * torch.eye(len(mean)).to(mean)
        self.factor = torch.linalg.cholesky(_STRETCH * covariance + ridge)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return n draws (n, D) and their log-densities (n,)."""
        size = len(self.mean)
        normal = torch.randn(n, size, generator=generator, dtype=torch.float64)
        chi = torch.randn(n, int(_FREEDOM), generator=generator, dtype=torch.float64).square().sum(1)
        stretch = (_FREEDOM / chi).sqrt()[:, None]
        square = (normal * stretch).square().sum(1)
        density = -0.5 * (_FREEDOM + size) * torch.log1p(square / _FREEDOM)
        constant = math.lgamma(0.5 * (_FREEDOM + size)) - math.lgamma(0.5 * _FREEDOM)
        constant -= 0.5 * size * math.log(_FREEDOM * math.pi) + float(self.factor.diagonal().log().sum())
        return self.mean + (normal * stretch) @ self.factor.T, density + constant


def _fitted_student(
    u: Tensor, log_posterior: Callable[[Tensor], Tensor], generator: torch.Generator
) -> _Student:
    """Fit a Student distribution to exp(log_posterior); u (n, D) are draws of the prior.

    In each stage the target q^(1 - t) p^t, q being the present fit, gets the largest exponent t whose weights
    are effective enough. It ends a few stages after t has reached one.
    """
    fit = _Student(u.mean(0), torch.cov(u.T).reshape(u.shape[1], -1))
    countdown = 3
    for _ in range(_STAGES):
        u, log_q = fit.draw(_STAGE, generator)
        ratio = log_posterior(u) - log_q
        exponent = largest_exponent(ratio, _LEAST_SHARE)
        weight = (exponent * ratio).softmax(0)
        mean = weight @ u
        residual = u - mean
        fit = _Student(mean, (weight[:, None] * residual).T @ residual)
        countdown -= exponent == 1.0
        if not countdown:
            return fit
    raise DataError("The fit to an exact posterior does not converge", expected="a posterior with one mode")


def largest_exponent(ratio: Tensor, least: float) -> float:
    """Return the largest t ≤ 1 for which the weights exp(t · ratio) have the effective share ``least`` of
    their number, by bisection."""

    def share(exponent: float) -> float:
        weight = (exponent * ratio).softmax(0)
        return float(1 / weight.square().sum() / len(weight))

    low, high = 0.0, 1.0
    if share(1.0) >= least:
        return 1.0
    for _ in range(40):
        half = 0.5 * (low + high)
        low, high = (half, high) if share(half) >= least else (low, half)
    return max(low, 1e-12)


def _slcp(problem: Problem, y: Tensor, n: int, generator: torch.Generator) -> Tensor:
    edge = problem.x[0].high
    points = y.reshape(-1, 2)
    centre, count = points.mean(0), len(points)
    scatter = (points - centre).T @ (points - centre)

    def log_marginal(v: Tensor) -> Tensor:
        """log ∫ p(y | m, v) dm (n,) up to a constant, m (2,) the mean without bounds, v (n, 3)."""
        s11, s22, s12 = _covariance(v)
        det = s11 * s22 - s12.square()
        trace = (s22 * scatter[0, 0] + s11 * scatter[1, 1] - 2 * s12 * scatter[0, 1]) / det
        return -0.5 * (count - 1) * det.log() - 0.5 * trace

    # x₃ and x₄ enter squared: a grid over their absolute values, and signs at random
    low, length = torch.tensor([0.0, 0.0, -edge]).double(), torch.tensor([edge, edge, 2 * edge]).double()
    size = length / torch.tensor(_CELLS)
    corners = torch.cartesian_prod(*(torch.arange(k).double() for k in _CELLS)) * size + low
    tables = [log_marginal(corners + torch.rand(corners.shape, generator=generator).double() * size)
              for _ in range(6)]  # fmt: skip
    mass = torch.logsumexp(torch.stack(tables), 0)
    mass = (mass - mass.logsumexp(0)).exp() + 1e-9 / len(mass)  # every cell has a share
    mass = mass / mass.sum()
    draws: list[Tensor] = []
    while sum(map(len, draws)) < n:
        cells = torch.searchsorted(mass.cumsum(0), torch.rand(_PROPOSALS, generator=generator).double())
        cells = cells.clamp(max=len(mass) - 1)
        v = corners[cells] + torch.rand(_PROPOSALS, 3, generator=generator).double() * size
        weight = log_marginal(v) - mass[cells].log()
        keep = (weight - weight.max() > torch.rand(_PROPOSALS, generator=generator).double().log()).nonzero()[
            :, 0
        ]
        v = v[keep]
        sign = torch.where(torch.rand(len(v), 2, generator=generator) < 0.5, -1.0, 1.0).double()
        s11, s22, s12 = _covariance(v)
        noise = torch.randn(len(v), 2, generator=generator, dtype=torch.float64) / math.sqrt(count)
        first = s11.sqrt() * noise[:, 0]
        second = s12 / s11.sqrt() * noise[:, 0] + (s22 - s12.square() / s11).clamp(min=0).sqrt() * noise[:, 1]
        mean = centre + torch.stack([first, second], 1)
        x = torch.cat([mean, v[:, :2] * sign, v[:, 2:]], 1)
        draws.append(x[(mean.abs() <= edge).all(1)])
    return torch.cat(draws)[:n]


def _covariance(v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the entries s₁₁, s₂₂, s₁₂ (n,) of SLCP's covariance matrix for v = (x₃, x₄, x₅) (n, 3)."""
    ridge = 1e-6
    first, second = v[:, 0].square(), v[:, 1].square()
    return first.square() + ridge, second.square() + ridge, v[:, 2].tanh() * first * second
