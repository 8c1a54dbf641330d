"""Sliced Wasserstein distance: the mean Wasserstein distance of one-dimensional projections.

Definition   D(P, Q) = E_θ W_r^r(θᵀx, θᵀy),  θ uniform on the sphere, r = 1 or 2; in the units of x to the
             power r
Estimator    the mean over random directions; in one dimension W_r is exact, by sorting
Bias         unbiased in the directions; upwards in the samples, since two samples of one distribution differ
Cost         n log n for each direction
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, SampleDivergence

if TYPE_CHECKING:
    from torch import Tensor

#: Seed of the directions where no generator is given, so that a loss evaluated twice has the same value.
_SEED = 0


def directions(count: int, features: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw unit vectors (``count``, ``features``) uniformly, with the type and device of ``like``."""
    if generator is None:
        generator = torch.Generator(like.device).manual_seed(_SEED)
    vectors = torch.randn(count, features, generator=generator, device=like.device, dtype=like.dtype)
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def line_wasserstein(p: Tensor, q: Tensor, order: int) -> Tensor:
    """Return W_r^r (S,), r = ``order``, between the columns of p (n, S) and q (m, S), also for n ≠ m."""
    p, q = p.sort(0).values, q.sort(0).values
    if len(p) == len(q):
        return (p - q).abs().pow(order).mean(0)
    # both quantile functions are constant between the levels i/n and j/m
    levels = torch.cat(
        [torch.arange(1, k + 1, dtype=torch.float64, device=p.device) / k for k in (len(p), len(q))]
    )
    levels = levels.sort().values
    widths = levels.diff(prepend=levels.new_zeros(1))
    middle = levels - 0.5 * widths
    rank_p, rank_q = ((middle * k).long().clamp_max(k - 1) for k in (len(p), len(q)))
    return ((p[rank_p] - q[rank_q]).abs().pow(order) * widths[:, None].to(p)).sum(0)


@DIVERGENCES.register
class SlicedWasserstein(SampleDivergence):
    """Sliced Wasserstein (SW) distance to the power of its order: the mean of W_r^r over directions."""

    key = "sliced_wasserstein"
    title = "Sliced Wasserstein"
    summary = "Mean over directions of the exact distance on a line: cheap transport for large samples."
    reference = "Rabin et al. (2012); Bonneel et al. (2015)"
    definition = "E over directions θ of W_r^r(θᵀx, θᵀy)"
    estimator = "sorting, on drawn directions"
    bias = "biased upwards by the scatter of the samples; unbiased in the directions"
    expense = "n log n for each direction"

    order = param.Selector(
        default=2, objects=[1, 2], doc="1: mean distance; 2: mean squared distance, smoother."
    )
    slices = param.Integer(50, bounds=(1, 10_000), doc="Number of random directions: more is less noisy.")

    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the mean of W_r^r over directions, a scalar, for samples p (n, D) and q (m, D).

        Its units are those of x to the power r, ``order``.
        """
        theta = directions(self.slices, p.shape[1], p, generator)
        return line_wasserstein(p @ theta.T, q @ theta.T, self.order).mean()

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss of `SampleDivergence.between_rows`, with the same directions for its four terms."""
        theta = directions(self.slices, p.shape[1], p, generator)
        return self.crossed(p @ theta.T, q @ theta.T, lambda a, b: line_wasserstein(a, b, self.order).mean())
