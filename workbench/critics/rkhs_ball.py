"""The ball of a reproducing-kernel Hilbert space (RKHS) as critic: a convex problem with a global optimum.

class      { h : |h|_k <= b },  k(u, u') = exp(-γ |u - u'|²);   |h(u)| <= b everywhere
solution   by the representer theorem h = Σ_i α_i k(c_i, ·) over the points c of both samples, with αᵀKα <= b²
solver     with K = R Rᵀ and β = Rᵀα the ball is |β| <= b: accelerated projected gradient, restarted whenever
           the value falls, on a value that is concave in h
gradient   for the model that of the value at the fixed solution (envelope theorem): h does not move
cost       n³ once for the factor of K, then n² a step; for samples of a few hundred

Source: VINA Definition 3.2 (there h is also cut off outside a cube, which only matters for its rates).
Trained by gradient descent in a game, where no solver can run at each step, the same functions live on
landmarks: a subset of the ball, so that a bound stays a bound.
"""

from __future__ import annotations

from collections.abc import Callable

import param
import torch
from torch import Tensor, nn

from workbench.core.errors import DataError
from workbench.critics.base import CRITICS, Critic

#: Added to the diagonal of K, relative to k(u, u) = 1, so that it has a factor.
_JITTER = 1e-9


class RkhsFunction(nn.Module):
    """h(u) = Σ_i α_i k(c_i, u), brought back into the ball whenever it is evaluated. (n, D) -> (n, 1)."""

    def __init__(self, centres: Tensor, weights: Tensor, decay: float, radius: float) -> None:
        super().__init__()
        self.decay, self.radius = decay, radius
        self.register_buffer("centres", centres)
        self.weights = nn.Parameter(weights)

    def norm(self) -> Tensor:
        """|h|_k before it is brought back, a scalar."""
        quadratic = self.weights @ gaussian_kernel(self.centres, self.centres, self.decay) @ self.weights
        return quadratic.clamp_min(1e-24).sqrt()

    def forward(self, u: Tensor) -> Tensor:
        shrink = (self.radius / self.norm()).clamp_max(1)
        kernel = gaussian_kernel(u.to(self.centres), self.centres, self.decay)
        return (kernel @ self.weights * shrink)[:, None].to(u)


def gaussian_kernel(a: Tensor, b: Tensor, decay: float) -> Tensor:
    """exp(-γ |a - b|²): (n, D), (m, D) -> (n, m)."""
    squared = a.square().sum(-1)[:, None] + b.square().sum(-1)[None, :] - 2 * a @ b.T
    return (-decay * squared.clamp_min(0)).exp()


@CRITICS.register
class RkhsBall(Critic):
    """The ball of radius b of a Gaussian RKHS."""

    key = "rkhs_ball"
    title = "RKHS ball"
    summary = "Smooth functions of bounded norm; the best one is found exactly, by a convex problem."
    reference = "VINA Definition 3.2; Schölkopf, Herbrich, Smola (2001)"

    decay = param.Number(
        0.5, bounds=(1e-4, 1e4), doc="γ: large sees detail and overfits, small sees the gist."
    )
    radius = param.Number(10.0, bounds=(1e-3, 1e6), doc="b: the largest norm; a bound on the logit, too.")
    landmarks = param.Integer(
        100,
        bounds=(1, 5000),
        doc="Centres, drawn once from a standard normal, when it is trained by gradient descent.",
    )

    def build(self, features: int) -> RkhsFunction:
        """A function on landmarks, for a game in standardised units; `solve` finds the best of the whole
        ball."""
        centres = torch.randn(self.landmarks, features)
        weights = 0.01 * torch.randn(self.landmarks) / self.landmarks**0.5
        return RkhsFunction(centres, weights, self.decay, self.radius)

    def solve(
        self,
        value: Callable[[Tensor, Tensor], Tensor],
        p: Tensor,
        q: Tensor,
        *,
        steps: int = 2000,
        tolerance: float = 1e-9,
    ) -> RkhsFunction:
        """The function of the ball with the largest ``value(v(p), v(q))``, for samples p (n, D), q (m, D).

        In double precision, since the weights α of a smooth function are large and cancel.

        ``value`` must be concave in the logits, as the critic's value of an f-divergence is where that says
        ``concave``; otherwise the result is a stationary point.
        """
        _check(p, q)
        centres = torch.cat([p, q]).detach().double()
        kernel = gaussian_kernel(centres, centres, self.decay)
        factor = torch.linalg.cholesky(kernel + _JITTER * torch.eye(len(kernel)).to(kernel))

        def climb(beta: Tensor) -> Tensor:
            logits = factor @ beta
            return value(logits[: len(p)], logits[len(p) :])

        beta = _ascend(climb, factor.new_zeros(len(factor)), self.radius, steps, tolerance)
        weights = torch.linalg.solve_triangular(factor.T, beta[:, None], upper=True)[:, 0]
        return RkhsFunction(centres, weights, self.decay, self.radius).requires_grad_(False)


def _ascend(climb: Callable, start: Tensor, radius: float, steps: int, tolerance: float) -> Tensor:
    """Maximise over the ball |β| <= radius: accelerated projected gradient with backtracking and restarts."""
    beta, ahead, momentum, size = start, start, 1.0, 1.0
    best = float(climb(beta))
    for _ in range(steps):
        point = ahead.detach().requires_grad_()
        here = climb(point)
        (slope,) = torch.autograd.grad(here, point)
        while True:
            trial = _project(ahead + size * slope, radius)
            step = trial - ahead
            reached = float(climb(trial))
            if (
                reached >= float(here.detach() + slope @ step - step @ step / (2 * size)) - 1e-15
                or size < 1e-14
            ):
                break
            size *= 0.5
        if reached < best:
            if momentum == 1.0:
                break
            ahead, momentum = beta, 1.0
            continue
        following = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        ahead = trial + (momentum - 1) / following * (trial - beta)
        moved = float((trial - beta).norm()) / size
        beta, best, momentum, size = trial, reached, following, size * 1.2
        if moved < tolerance:
            break
    return beta


def _project(beta: Tensor, radius: float) -> Tensor:
    return beta * (radius / beta.norm().clamp_min(1e-300)).clamp_max(1)


def _check(p: Tensor, q: Tensor) -> None:
    if (
        p.ndim != 2
        or q.ndim != 2
        or p.shape[1] != q.shape[1]
        or min(len(p), len(q)) < 1
        or p.dtype != q.dtype
    ):
        raise DataError(
            "The RKHS ball is solved on two samples of the same dimension and type",
            expected="(n, D) and (m, D)",
            found=f"{tuple(p.shape)} {p.dtype} and {tuple(q.shape)} {q.dtype}",
        )
