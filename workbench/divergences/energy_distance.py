"""Energy distance: computed from all distances within and between two samples, without a critic.

Definition   D(P, Q) = 2 E|x-y| - E|x-x'| - E|y-y'|,  in the units of x;  MMD² with the kernel -|x-y|
Estimator    biased (V-statistic, which includes the zero distances of points to themselves; never negative)
             or unbiased (U-statistic)
Bias         upwards by about E|x-x'|/n + E|y-y'|/m, or none
Cost         n² distances; the first moments of P and Q must exist
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.errors import SpecError
from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, SampleDivergence, mean_off_diagonal

if TYPE_CHECKING:
    from torch import Tensor


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # the exact mode: the matrix product loses half of the digits of small distances
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


@DIVERGENCES.register
class EnergyDistance(SampleDivergence):
    """Energy distance of Székely and Rizzo."""

    key = "energy_distance"
    title = "Energy distance"
    summary = (
        "A kernel distance without a length to choose; long-ranged, so that disjoint supports are no trouble."
    )
    reference = "Székely, Rizzo (2013)"
    definition = "2 E|x-y| - E|x-x'| - E|y-y'|"
    estimator = "closed form in the samples"
    bias = "biased upwards by about E|x-x'|/n + E|y-y'|/m, or unbiased"
    expense = "n² distances"

    unbiased = param.Boolean(
        default=False, doc="Leave out pairs of a point with itself: for evaluation; noisier in training."
    )

    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the energy distance between samples p (n, D) and q (m, D), a scalar in the units of x."""
        return 2 * _distances(p, q).mean() - self._within(p, q)

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the energy distance between p (n, D) and q (n, D), a scalar, without the pairs (p_i, q_i).

        Row i of p and row i of q may share an observation. All other pairs of rows are used, more than in
        `SampleDivergence.between_rows`, which halves the samples.
        """
        across = _distances(p, q)
        return 2 * mean_off_diagonal(across) - self._within(p, q)

    def _within(self, p: Tensor, q: Tensor) -> Tensor:
        n, m = len(p), len(q)
        if self.unbiased and min(n, m) < 2:
            raise SpecError(
                "The unbiased energy distance needs at least two samples on each side", found=f"{n} and {m}"
            )
        pairs_p, pairs_q = (n * (n - 1), m * (m - 1)) if self.unbiased else (n * n, m * m)
        return _distances(p, p).sum() / pairs_p + _distances(q, q).sum() / pairs_q

    @staticmethod
    def witness(points: Tensor, p: Tensor, q: Tensor) -> Tensor:
        """Return the witness function E|u-y| - E|u-x| (k,) at points u (k, D), an optimal critic.

        Its mean over p minus its mean over q is the biased energy distance.
        """
        return _distances(points, q).mean(-1) - _distances(points, p).mean(-1)
