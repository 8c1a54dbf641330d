"""Ball of a reproducing-kernel Hilbert space (RKHS) as critics: the best one solves a convex problem.

class      { h : |h|_k <= b },  k(u, u') = exp(-γ |u - u'|²);   |h(u)| <= b everywhere
solution   by the representer theorem h = Σ_i α_i k(c_i, ·) over the points c of both samples, with αᵀKα <= b²
           and K the matrix of k(c_i, c_j)
solver     with K = R Rᵀ and β = Rᵀα the ball is |β| <= b: accelerated projected gradient ascent, restarted
           whenever the value falls, for a value that is concave in h
gradient   in the model: that of the value with h fixed (envelope theorem)
cost       n³ once to factorise K, then n² per step; for samples of a few hundred points

Source: VINA, arXiv:2602.20480, Definition 3.2 (there h is also set to zero outside a cube, which only matters
for its convergence rates).
In adversarial training no solver can run at each step: there the functions are expansions on fixed landmarks,
trained by gradient descent. They are a subset of the ball, so that a lower bound remains one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import param

from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.critics.base import CRITICS, Critic

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.nn.critic_networks import RkhsFunction

#: Added to the diagonal of K, relative to k(u, u) = 1, so that its Cholesky factor exists.
_JITTER = 1e-9


@CRITICS.register
class RkhsBall(Critic):
    """Critics from the ball of radius b in the RKHS of a Gaussian kernel."""

    key = "rkhs_ball"
    title = "RKHS ball"
    summary = "Smooth functions of bounded norm; the best one is found exactly, by a convex problem."
    reference = "VINA Definition 3.2; Schölkopf, Herbrich, Smola (2001)"

    decay = param.Number(
        0.5, bounds=(1e-4, 1e4), doc="γ of the kernel: large resolves detail and overfits, small is smooth."
    )
    radius = param.Number(10.0, bounds=(1e-3, 1e6), doc="b: the largest RKHS norm, which also bounds logits.")
    landmarks = param.Integer(
        100,
        bounds=(1, 5000),
        doc="Centres, drawn once from a standard normal, when it is trained by gradient descent.",
    )

    def build(self, features: int) -> RkhsFunction:
        """Return a kernel expansion on random landmarks, for adversarial training in standardised units.

        `solve` returns the best function of the whole ball instead.
        """
        from workbench.nn.critic_networks import RkhsFunction

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
        """Return the function v of the ball with the largest ``value(v(p), v(q))``, in double precision.

        Parameters
        ----------
        value : (n, 1), (m, 1) -> scalar, concave in the logits, as is ``critic_value`` of an f-divergence
            with ``concave``; otherwise the result is only a stationary point.
        p, q : samples (n, D) and (m, D); `DataError` is raised if their dimensions or types differ.
        steps, tolerance : the ascent ends after this many steps, or with a step shorter than the tolerance.

        Single precision is not enough: the weights α of a smooth function are large and cancel.
        """
        from workbench.nn.critic_networks import RkhsFunction, gaussian_kernel

        _check(p, q)
        centres = torch.cat([p, q]).detach().double()
        kernel = gaussian_kernel(centres, centres, self.decay)
        factor = torch.linalg.cholesky(kernel + _JITTER * torch.eye(len(kernel)).to(kernel))

        def objective(beta: Tensor) -> Tensor:
            logits = factor @ beta
            return value(logits[: len(p)], logits[len(p) :])

        beta = _ascend(objective, factor.new_zeros(len(factor)), self.radius, steps, tolerance)
        weights = torch.linalg.solve_triangular(factor.T, beta[:, None], upper=True)[:, 0]
        return RkhsFunction(centres, weights, self.decay, self.radius).requires_grad_(False)


def _ascend(
    objective: Callable[[Tensor], Tensor], start: Tensor, radius: float, steps: int, tolerance: float
) -> Tensor:
    """Maximise ``objective`` over |β| <= ``radius`` by accelerated projected gradient ascent; return β.

    The step size is found by backtracking; momentum restarts whenever the value falls.
    """
    beta, ahead, momentum, size = start, start, 1.0, 1.0
    best = float(objective(beta))
    for _ in range(steps):
        point = ahead.detach().requires_grad_()
        here = objective(point)
        (slope,) = torch.autograd.grad(here, point)
        while True:
            trial = _project(ahead + size * slope, radius)
            step = trial - ahead
            trial_value = float(objective(trial))
            if (
                trial_value >= float(here.detach() + slope @ step - step @ step / (2 * size)) - 1e-15
                or size < 1e-14
            ):
                break
            size *= 0.5
        if trial_value < best:
            if momentum == 1.0:
                break
            ahead, momentum = beta, 1.0
            continue
        following = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        ahead = trial + (momentum - 1) / following * (trial - beta)
        movement = float((trial - beta).norm()) / size
        beta, best, momentum, size = trial, trial_value, following, size * 1.2
        if movement < tolerance:
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
