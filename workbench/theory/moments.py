"""Moments: the R of assumption (INN3), measured from samples, or exact for Pareto tails.

R = max( E|(Y,Z)|^(1+a), E|(Y,T_z(X))|^(1+a) )

A sample mean always exists, the moment may not: the estimate comes with a check of the tail by Hill's
estimator, whose index must exceed 1 + a. For Pareto(α) the moment of order 1 + a is finite for a < α - 1, and
the exponent of the bound tends to (α-1)/(2α).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.theory.checks import positive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Moment:
    """An estimate of a moment E|U|^(1+a) with its standard error and the tail index of |U|.

    ``finite`` is true where the estimated tail index allows the moment to exist.
    """

    value: float
    standard_error: float
    tail_index: float
    finite: bool


def moment(sample: Tensor, a: float) -> Moment:
    """Estimate the moment of order 1 + a of |U|, the Euclidean norm, from a sample (n, D), n >= 20."""
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
    """Return Hill's estimate of the tail index α from the largest ``share`` of positive numbers (n,).

    It is large for thin tails.
    """
    descending = lengths.sort(descending=True).values
    k = max(int(share * len(descending)), 5)
    floor = descending[k].clamp_min(1e-300)
    excess = float((descending[:k] / floor).log().mean())
    return 1 / excess if excess > 0 else float("inf")


def pareto_moment(alpha: float, a: float, scale: float = 1.0) -> float:
    """Return E X^(1+a) of Pareto(α) with minimum ``scale``; infinite for 1 + a >= α."""
    alpha, order = positive("the tail index α", alpha), 1 + positive("the moment's order a", a)
    return alpha * positive("the scale", scale) ** order / (alpha - order) if order < alpha else float("inf")


def pareto_rate(alpha: float) -> float:
    """Return (α-1)/(2α), the limit of the bound's exponent for Pareto(α) tails as a -> α - 1.

    0 where W1 is infinite (α <= 1).
    """
    alpha = positive("the tail index α", alpha)
    return max(alpha - 1, 0.0) / (2 * alpha)
