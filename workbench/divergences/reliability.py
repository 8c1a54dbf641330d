"""Standard errors of estimated divergences, and the reasons why an estimate is not to be relied on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.divergences.base import Divergence, FDivergence, VariationalDivergence
from workbench.divergences.donsker_varadhan import DonskerVaradhan

if TYPE_CHECKING:
    from torch import Tensor

#: Share of a term's variance due to a single sample above which its standard error is not to be relied on.
_LARGEST_SHARE = 0.3


def standard_error(divergence: VariationalDivergence, at_p: Tensor, at_q: Tensor) -> float:
    if not isinstance(divergence, FDivergence):
        return float("nan")
    return float(sum(part.var() / len(part) for part in bound_terms(divergence, at_p, at_q)) ** 0.5)


def bound_terms(divergence: VariationalDivergence, at_p: Tensor, at_q: Tensor) -> tuple[Tensor, ...]:
    """Return the terms at samples of P (n,) and of Q (m,) whose means a bound is made of; () without such."""
    if isinstance(divergence, FDivergence):
        return divergence.gain(at_p), divergence.cost(at_q)
    if isinstance(divergence, DonskerVaradhan):
        return at_p, (at_q - at_q.max()).exp()
    return ()


def _bounded(divergence: Divergence) -> bool:
    """Return True for an f-divergence that is finite for all pairs of distributions."""
    if not isinstance(divergence, FDivergence):
        return False
    at_zero = float(divergence.generator(torch.zeros((), dtype=torch.float64)))
    return math.isfinite(at_zero) and math.isfinite(divergence.slope_at_infinity)


def caution(divergence: Divergence, value: float, error: float, terms: tuple[Tensor, ...]) -> str:
    """Return the reason why an estimate is not to be relied on, as a sentence; empty if there is none.

    ``terms`` are those of `bound_terms`; where they are bounded, no mean can lack a single large one.
    """
    title, larger = divergence.title, "larger samples, or a bounded divergence such as Jensen-Shannon"
    if math.isinf(value):
        return (
            f"{title} is infinite between the Gaussians fitted to the samples: one has tails that the other "
            "does not cover. Try a bounded divergence such as Jensen-Shannon."
        )
    if math.isinf(error):
        return (
            f"{title} was estimated at {value:.4g}, but is infinite between Gaussians fitted to a part of "
            f"the samples: it cannot be told from an infinite one. Try {larger}."
        )
    for name, term in zip("PQ", () if _bounded(divergence) else terms, strict=False):
        squares = (term - term.mean()).square()
        share = float(squares.max() / squares.sum()) if float(squares.sum()) > 0 else 0.0
        if share > _LARGEST_SHARE:
            return (
                f"{title} was estimated at {value:.4g}, but one of {len(term)} samples of {name} contributes "
                f"{share:.0%} of the variance of its term: neither the value nor its standard error "
                f"{error:.2g} is to be relied on. Try {larger}."
            )
    excess = abs(value - divergence.at_equality)
    if error > excess:
        return (
            f"{title} was estimated at {value:.4g} with a standard error of {error:.2g}: it cannot be told "
            f"from {divergence.at_equality:.4g}, that of equal distributions. Try larger samples."
        )
    return ""
