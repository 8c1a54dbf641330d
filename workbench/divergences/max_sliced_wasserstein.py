"""Max-sliced Wasserstein distance: the largest Wasserstein distance of one-dimensional projections.

Definition   D(P, Q) = max over directions θ of W_r^r(θᵀx, θᵀy), r = 1 or 2; in the units of x to the power r
Estimator    gradient ascent on the sphere from some random directions; the best of the results is taken, and
             is constant for the model's gradient (envelope theorem)
Bias         upwards in the samples, more than the mean over directions; downwards where the ascent stays
             below the maximum
Cost         n log n for each direction tried and each step
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.core.scale import nonzero
from workbench.divergences.base import DIVERGENCES, SampleDivergence
from workbench.divergences.sliced_wasserstein import directions, line_wasserstein

if TYPE_CHECKING:
    from torch import Tensor


def best_direction(p: Tensor, q: Tensor, order: int, start: Tensor, steps: int) -> Tensor:
    """Return the direction (D,) with the largest W_r^r, r = ``order``, between samples p (n, D) and q (m, D).

    It is the best result of gradient ascent on the sphere from each row of ``start`` (S, D).
    """
    p, q, theta = p.detach(), q.detach(), start
    size = torch.full((len(start), 1), 0.5, dtype=p.dtype, device=p.device)
    value = line_wasserstein(p @ theta.T, q @ theta.T, order)
    for _ in range(steps):
        with torch.enable_grad():
            point = theta.detach().requires_grad_()
            (slope,) = torch.autograd.grad(line_wasserstein(p @ point.T, q @ point.T, order).sum(), point)
        slope = slope - (slope * theta).sum(-1, keepdim=True) * theta
        trial = theta + size * slope / nonzero(slope.norm(dim=-1, keepdim=True))
        trial = trial / trial.norm(dim=-1, keepdim=True)
        trial_value = line_wasserstein(p @ trial.T, q @ trial.T, order)
        better = (trial_value > value)[:, None]
        theta, value = torch.where(better, trial, theta), torch.maximum(trial_value, value)
        size = torch.where(better, 1.2 * size, 0.5 * size)
    return theta[value.argmax()]


@DIVERGENCES.register
class MaxSlicedWasserstein(SampleDivergence):
    """Max-sliced Wasserstein distance to the power of its order, W_r^r."""

    key = "max_sliced_wasserstein"
    title = "Max-sliced Wasserstein"
    summary = "The direction in which the samples differ most, and the exact distance along it."
    reference = "Deshpande et al. (2019)"
    definition = "max over directions θ of W_r^r(θᵀx, θᵀy)"
    estimator = "sorting, along the best direction found"
    bias = "biased upwards by the scatter of the samples; the direction found may not be the best"
    expense = "n log n for each direction tried and each step"
    unreached = (
        "It moves the network along one direction at a time. Near the solution that is the one in which the "
        "batch strays most by chance, so that most steps follow scatter: it comes down slowly."
    )

    order = param.Selector(
        default=2, objects=[1, 2], doc="1: mean distance; 2: mean squared distance, smoother."
    )
    starts = param.Integer(8, bounds=(1, 1000), doc="Number of random directions that start the ascent.")
    steps = param.Integer(20, bounds=(0, 1000), doc="Steps of the ascent.")

    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return W_r^r along the best direction, a scalar, for samples p (n, D) and q (m, D).

        Its units are those of x to the power r, ``order``.
        """
        return self._along(self._best(p, q, generator), p, q)

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss of `SampleDivergence.between_rows`, with one direction for its four terms.

        It is the direction with the largest W_r^r between p (n, D) and q (n, D).
        """
        theta = self._best(p, q, generator)
        return self.crossed(p, q, lambda a, b: self._along(theta, a, b))

    def _best(self, p: Tensor, q: Tensor, generator: torch.Generator | None) -> Tensor:
        start = directions(self.starts, p.shape[1], p, generator)
        return best_direction(p, q, self.order, start, self.steps)

    def _along(self, theta: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return line_wasserstein((p @ theta)[:, None], (q @ theta)[:, None], self.order).mean()
