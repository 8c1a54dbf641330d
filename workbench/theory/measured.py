"""VINA Theorem 3.1 (arXiv:2602.20480) with measured quantities: the averaged bound, and its terms' status.

E_Y W1(P_{X|Y}, T⁻¹(Y,·)#P_Z)  <=  J [ sqrt(L_y) + C_a R^(1/(1+a)) TV^(a/(1+a)) ],   TV <= c_f sqrt(D)

D     the true divergence where it is known, otherwise the held-out value of a critic, a lower bound of it;
      either with twice its standard error on top
L_y   held out; 0 by construction for a network that is given y, and absent for a problem without y
J     declared by the class of networks, or the steepest measured slope, a lower bound
R     the larger moment of (Y, Z) and (Y, T_z(X)), and a the order among `ORDERS` with the smallest bound

Where a term is only a lower bound the value is an estimate of the bound, not the bound itself, and is marked
as one. A true distance above it then shows that a term is wrong. Symbols as in bounds.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.theory.assumptions import DECLARED, MEASURED, NOT_CHECKABLE
from workbench.theory.bounds import Bound, averaged_posterior_bound
from workbench.theory.constants import total_variation_bound
from workbench.theory.gap import VariationalGap
from workbench.theory.lipschitz import LipschitzConstants
from workbench.theory.moments import Moment

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence

#: Orders a of the moments; that with the smallest bound is taken.
ORDERS = (1.0, 2.0, 3.0, 5.0)
#: Names of the terms, in the order of a table. `with_truth` sets ``truth``, the true distance, and ``floor``,
#: the distance between two samples of one distribution, by which a sampled truth may be too large.
TERMS = ("truth", "floor", "bound", "supervised", "unsupervised", "lipschitz", "misfit", "divergence", "gap",
         "overfit", "total_variation", "moment", "realisable")  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One term of the bound: its name among `TERMS`, its status, and its number (NaN where there is none)."""

    name: str
    status: str
    value: float


@dataclass(frozen=True)
class MeasuredBound:
    """The bound from measured quantities, in the units of x, with its terms.

    ``order`` is the best moment order a, ``lipschitz`` the constant J; ``estimated`` names the terms that are
    only lower bounds of the quantities in the theorem.
    """

    bound: Bound
    order: float
    lipschitz: float
    terms: tuple[Term, ...]
    estimated: tuple[str, ...]


def silence(divergence: Divergence) -> str:
    """Return the reason why Theorem 3.1 does not apply to a divergence; empty where it does."""
    if divergence.pinsker is not None:
        return ""
    return f"Theorem 3.1 is silent about {divergence.title}. {divergence.pinsker_reason}"


def measured_bound(
    divergence: Divergence,
    *,
    held_out: float,
    gap: VariationalGap,
    known: tuple[float, float] | None = None,
    misfit: float | None,
    lipschitz: LipschitzConstants,
    moments: Mapping[float, tuple[Moment, Moment]],
) -> MeasuredBound:
    """Compute the averaged bound of Theorem 3.1 from measured quantities.

    Parameters
    ----------
    divergence : must have a Pinsker constant, else `IncompatibleError` is raised.
    held_out : the critic's value on held-out samples; its standard error is ``gap.standard_error``.
    known : the true divergence and its standard error, where it is known.
    misfit : L_y of a network that predicts y; None where y is its input, or where there is none.
    moments : order a -> moments of order 1 + a of both distributions.
    """
    value, error = (held_out, gap.standard_error) if known is None else known
    # a sample may underestimate D: two standard errors on top, and never less than for equal distributions
    total_variation = total_variation_bound(divergence, max(value, divergence.at_equality) + 2 * error)
    finite = {a: pair for a, pair in moments.items() if all(m.finite for m in pair)} or dict(moments)
    bounds = {
        a: averaged_posterior_bound(
            misfit=misfit or 0.0,
            total_variation=total_variation,
            moment=max(m.value for m in pair),
            lipschitz=lipschitz.inverse,
            a=a,
        )
        for a, pair in finite.items()
    }
    order = min(bounds, key=lambda a: bounds[a].value)
    best = bounds[order]
    lower_bounds = ("divergence",) if known is None else ()
    lower_bounds += () if lipschitz.source == DECLARED else ("lipschitz",)
    terms = (
        Term("truth", NOT_CHECKABLE, math.nan),
        Term("floor", NOT_CHECKABLE, math.nan),
        Term("bound", MEASURED, best.value),
        Term("supervised", DECLARED if misfit is None else MEASURED, best.supervised),
        Term("unsupervised", MEASURED, best.unsupervised),
        Term("lipschitz", lipschitz.source, lipschitz.inverse),
        Term("misfit", DECLARED if misfit is None else MEASURED, misfit or 0.0),
        Term("divergence", MEASURED, held_out - divergence.at_equality),
        Term("gap", NOT_CHECKABLE if known is None else MEASURED, gap.gap),
        Term("overfit", MEASURED, gap.overfit),
        Term("total_variation", MEASURED, total_variation),
        Term("moment", MEASURED, max(m.value for m in finite[order]) ** (1 / (1 + order))),
        Term("realisable", NOT_CHECKABLE, math.nan),
    )
    return MeasuredBound(best, order, lipschitz.inverse, terms, lower_bounds)


def with_truth(bound: MeasuredBound, truth: float, floor: float = 0.0) -> MeasuredBound:
    """Return the bound with ``truth``, the true W1, among its terms; unchanged where ``truth`` is NaN.

    ``floor`` is W1 between two samples of the same distribution: by about this much ``truth``, when it is
    estimated from samples, may be too large.
    """
    if truth != truth:
        return bound
    terms = (Term("truth", MEASURED, truth), Term("floor", MEASURED, floor), *bound.terms[2:])
    return replace(bound, terms=terms)


def judge(bound: MeasuredBound) -> str:
    """Compare the bound with its term ``truth``: return "holds", "broken", or "unknown" for NaN.

    The term ``floor``, W1 between two samples of the same distribution, is first subtracted from ``truth``.
    """
    truth, floor = (term.value for term in bound.terms[:2])
    if truth != truth:
        return "unknown"
    return "holds" if truth - floor <= bound.bound.value else "broken"
