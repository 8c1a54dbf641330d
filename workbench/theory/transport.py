"""Wasserstein-1 distance W1 between two samples of the same size: an assignment problem, solved exactly.

W1(P̂, Q̂) = min over permutations s of the mean over i of |p_i - q_s(i)|, where P̂ and Q̂ are the empirical
distributions of samples p_i of P and q_i of Q. As an estimate of W1(P, Q) it is too large, on average by at
most W1(P̂, P) + W1(Q̂, Q).
Source: Peyré & Cuturi (2019), Computational Optimal Transport, section 2.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import DataError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@public
def sampled_wasserstein(p: Tensor, q: Tensor) -> float:
    """Return the Wasserstein-1 distance between two samples p and q, both (n, D), in their units.

    It is the least mean Euclidean distance of points matched one to one; as an estimate for the distributions
    that they are drawn from it is too large.
    """
    from scipy.optimize import linear_sum_assignment  # here, since the import takes long

    if p.ndim != 2 or p.shape != q.shape or not (torch.isfinite(p).all() and torch.isfinite(q).all()):
        raise DataError(
            "W1 is computed between two finite samples of the same size",
            expected="(n, D) twice",
            found=f"{tuple(p.shape)} and {tuple(q.shape)}",
        )
    cost = torch.cdist(p.double(), q.double()).numpy()
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())
