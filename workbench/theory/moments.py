"""Moments R of VINA Theorem 3.1 (arXiv:2602.20480), measured from samples, or exact for Pareto tails.

R = max( E|(Y,Z)|^(1+a), E|(Y,T_z(X))|^(1+a) ), a > 0, must be finite (assumption INN3): Y the observation, Z
the latent prior, T_z(X) the latents of the data under the network T = (T_y, T_z).

A sample mean always exists, the moment may not: the estimate comes with a check of the tail by Hill's
estimator. A tail index α means P(|U| > t) ~ t^(-α); a moment of order 1 + a exists for α > 1 + a. For
Pareto(α) data it is finite for a < α - 1, and the exponent a/(2(1+a)) of the theorem's rate tends to
(α-1)/(2α).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.theory.checks import positive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Moment:
    """An estimate of a moment E|U|^(1+a), a > 0, with its standard error and the tail index of |U|.

    The tail index is the α of P(|U| > t) ~ t^(-α); ``finite`` is true where its estimate exceeds 1 + a, so
    that the moment exists.
    """

    value: float
    standard_error: float
    tail_index: float
    finite: bool


@public
def moment(sample: Tensor, a: float) -> Moment:
    """Estimate the moment E|U|^(1+a), |U| the Euclidean norm, from a sample of U (n, D), n >= 20."""
    a = positive("the moment's order a", a)
    if sample.ndim != 2 or len(sample) < 20 or not torch.isfinite(sample).all():
        raise DataError(
            "A moment needs a finite sample",
            expected="(n, D) with at least 20 rows",
            found=f"{tuple(sample.shape)}",
        )
    lengths = sample.detach().double().norm(dim=1)
    powers = lengths ** (1 + a)
    index = hill_index(lengths)
    error = float(powers.std() / len(powers) ** 0.5)
    return Moment(float(powers.mean()), error, index, index > 1 + a)


def hill_index(lengths: Tensor, share: float = 0.05) -> float:
    """Return Hill's estimate of the tail index α, P(U > t) ~ t^(-α), of positive numbers (n,).

    It uses the largest ``share`` of them, and is large for thin tails.
    """
    descending = lengths.sort(descending=True).values
    k = max(int(share * len(descending)), 5)
    floor = descending[k].clamp_min(1e-300)
    excess = float((descending[:k] / floor).log().mean())
    return 1 / excess if excess > 0 else float("inf")


@public
def pareto_moment(alpha: float, a: float, scale: float = 1.0) -> float:
    """Return E X^(1+a) for X from Pareto(α), P(X > t) = (``scale``/t)^α for t >= ``scale``; α is ``alpha``.

    Infinite for 1 + a >= α.
    """
    alpha, order = positive("the tail index α", alpha), 1 + positive("the moment's order a", a)
    return alpha * positive("the scale", scale) ** order / (alpha - order) if order < alpha else float("inf")


@public
def pareto_rate(alpha: float) -> float:
    """Return (α-1)/(2α), the limit for a -> α - 1 of the exponent a/(2(1+a)) of VINA Theorem 3.1.

    The theorem (arXiv:2602.20480) bounds the Wasserstein-1 distance of true and learned distribution; Pareto
    data of tail index α = ``alpha`` have moments of order 1 + a for a < α - 1. 0 where the distance is
    infinite (α <= 1).
    """
    alpha = positive("the tail index α", alpha)
    return max(alpha - 1, 0.0) / (2 * alpha)
