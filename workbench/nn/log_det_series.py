"""log det(I + J), J the Jacobian of a contraction, as a power series: cut off, or ended at random (unbiased).

series    log det(I + J) = Σ_{k≥1} (−1)^{k+1}/k tr Jᵏ,  tr A = E vᵀ A v with v of mean zero and covariance I
cut off   after n terms the error is at most −D [log(1 − L) + Σ_{k≤n} Lᵏ/k], L the Lipschitz constant
unbiased  n terms always, then on with probability q each time: term n + j is weighted by q^{−j}
          Its variance is finite for q > L²; q = L is taken.
Source: Behrmann et al. 2019, Invertible Residual Networks, arXiv:1811.00995, theorem 3;
Chen et al. 2019, Residual Flows, arXiv:1906.02735, theorem 1 (there q = ½, which is too small for L > 0.71).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#: Most terms that the roulette may add; with L = 0.98 it is reached once in ten thousand draws.
_MOST_TERMS = 500


def power_series(product: Callable[[Tensor], Tensor], probes: Tensor, weights: Sequence[float]) -> Tensor:
    """Σ_k weights[k−1] (−1)^{k+1}/k · mean over the probes of vᵀ Jᵏ v: (n,).

    ``product`` maps rows v (n, P, D) to rows J v; ``probes`` is (n, P, D). `basis_probes` give exact traces.
    """
    total, power = probes.new_zeros(probes.shape[0]), probes
    for k, weight in enumerate(weights, start=1):
        power = product(power)
        total = total + weight * (-1) ** (k + 1) / k * (power * probes).sum(-1).mean(-1)
    return total


def basis_probes(rows: int, features: int, like: Tensor) -> Tensor:
    """Return the probes √D e_i for i = 1 … D, (n, D, D): the mean of vᵀ A v over them is exactly tr A."""
    basis = torch.eye(features, dtype=like.dtype, device=like.device)
    return (math.sqrt(features) * basis).expand(rows, -1, -1)


def roulette_weights(always: int, survival: float, generator: torch.Generator) -> list[float]:
    """Draw the number of terms of one unbiased estimate, and return the weight of each term.

    The first ``always`` terms have weight 1. Another term follows with probability ``survival`` each time.
    """
    weights = [1.0] * always
    while len(weights) < always + _MOST_TERMS and float(torch.rand((), generator=generator)) < survival:
        weights.append(weights[-1] / survival)
    return weights


def truncation_bound(lipschitz: float, terms: int, features: int) -> float:
    """Bound of the error in nats when the series is cut off after ``terms``."""
    partial = sum(lipschitz**k / k for k in range(1, terms + 1))
    return -features * (math.log1p(-lipschitz) + partial)
