"""W1 between two samples of the same size: an assignment problem, solved exactly.

W1(P̂, Q̂) = min over permutations s of the mean of |p_i - q_s(i)|. It is too large for W1(P, Q): on
average by no more than what an empirical law is away from its own, for P and for Q.
Source: Peyré & Cuturi (2019), Computational Optimal Transport, section 2.2.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from workbench.core.errors import DataError


def sampled_wasserstein(p: Tensor, q: Tensor) -> float:
    """W1 of the empirical laws of p and q, both (n, D), in their units."""
    if p.ndim != 2 or p.shape != q.shape or not (torch.isfinite(p).all() and torch.isfinite(q).all()):
        raise DataError(
            "W1 is computed between two finite samples of the same size",
            expected="(n, D) twice",
            found=f"{tuple(p.shape)} and {tuple(q.shape)}",
        )
    cost = torch.cdist(p.double(), q.double()).numpy()
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())
