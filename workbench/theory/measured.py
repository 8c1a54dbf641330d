"""The bound of VINA Theorem 3.1 (arXiv:2602.20480) on a posterior's error, from measured quantities.

E_Y W1(P_{X|Y}, T⁻¹(Y,·)#P_Z)  <=  J [ sqrt(L_y) + C_a R^(1/(1+a)) TV^(a/(1+a)) ],   TV <= c_f sqrt(D)

W1    Wasserstein-1 distance; left: the average over y of that between the true posterior P_{X|Y} and the
      learned one, the law of T⁻¹(Y, Z) for Z from the latent prior P_Z; the network T = (T_y, T_z) maps x to
      (y, z)
TV    total variation between (Y, Z) and (Y, T_z(X)), bounded by their divergence D; c_f is the divergence's
      Pinsker constant
D     the true divergence where it is known, otherwise the held-out value of a critic, a lower bound of it;
      either with twice its standard error on top
L_y   E|T_y(X) - Y|² on held-out data; 0 by construction for a network that is given y, and absent for a
      problem without y
J     the Lipschitz constant of T⁻¹: declared by the class of networks, or the steepest measured slope, a
      lower bound
R, a  the larger of the moments E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a), and a the order among `ORDERS` with
      the smallest bound; C_a = `moment_constant` of a

Where a term is only a lower bound the value is an estimate of the bound, not the bound itself, and is marked
as one. A true distance above it then shows that a term is wrong. The status of a term is "declared" (implied
by the class of networks), "measured" (estimated), or "not checkable".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.theory.assumptions import DECLARED, MEASURED, NOT_CHECKABLE
from workbench.theory.bounds import Bound, averaged_posterior_bound
from workbench.theory.constants import total_variation_bound
from workbench.theory.gap import VariationalGap
from workbench.theory.lipschitz import LipschitzConstants
from workbench.theory.moments import Moment

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence

#: Values of a that are tried, for moments of order 1 + a; that with the smallest bound is taken.
ORDERS = (1.0, 2.0, 3.0, 5.0)
#: Names of the terms of a `MeasuredBound`, in the order of a table:
#: truth         the distance that is bounded, the Wasserstein-1 distance between true and learned posterior,
#:               averaged over y; set by `with_truth`, as is ``floor``
#: floor         that between two samples of one distribution, by which a sampled truth may be too large
#: bound         the upper bound, the sum of ``supervised`` (from L_y) and ``unsupervised`` (from TV)
#: lipschitz     J, the Lipschitz constant of the network's inverse T⁻¹
#: misfit        L_y = E|T_y(X) - Y|², the squared error of the predicted y
#: divergence    the critic's held-out value for (Y, Z) and (Y, T_z(X)), less its value at equal distributions
#: gap, overfit  how far the critic stays below the true divergence; its training less its held-out value
#: total_variation  TV, the largest total variation of (Y, Z) and (Y, T_z(X)) that the divergence allows
#: moment        R^(1/(1+a)), R the larger of the moments E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a)
#: realisable    whether some network of the class solves the problem exactly; never checkable, hence NaN
TERMS = ("truth", "floor", "bound", "supervised", "unsupervised", "lipschitz", "misfit", "divergence", "gap",
         "overfit", "total_variation", "moment", "realisable")  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One term of the bound of VINA Theorem 3.1: its name among `TERMS`, its status, and its number.

    ``status`` is "declared" (implied by the class of networks), "measured" (estimated) or "not checkable";
    ``value`` is NaN where there is no number.
    """

    name: str
    status: str
    value: float


@dataclass(frozen=True)
class MeasuredBound:
    """The bound of VINA Theorem 3.1 on a posterior's error, from measured quantities, in the units of x.

    Attributes
    ----------
    bound : the upper bound of the Wasserstein-1 distance between true and learned posterior, averaged over y.
    order : a, where moments of order 1 + a give the smallest bound.
    lipschitz : J, the Lipschitz constant of the network's inverse.
    terms : all terms, in the order of `TERMS`.
    estimated : names of the terms that are only lower bounds of the quantities in the theorem.
    """

    bound: Bound
    order: float
    lipschitz: float
    terms: tuple[Term, ...]
    estimated: tuple[str, ...]


@public
def silence(divergence: Divergence) -> str:
    """Return why VINA Theorem 3.1 (arXiv:2602.20480) does not apply to a divergence; empty where it does.

    It needs a divergence that bounds the total variation, TV <= c_f sqrt(D), with a known constant c_f.
    """
    if divergence.pinsker is not None:
        return ""
    return f"Theorem 3.1 is silent about {divergence.title}. {divergence.pinsker_reason}"


@public
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
    """Compute the bound of VINA Theorem 3.1 (arXiv:2602.20480), averaged over y, from measured quantities.

    The network T = (T_y, T_z) maps x to (y, z); the divergence is that of (Y, Z) and (Y, T_z(X)), Z the
    latent prior and T_z(X) the latents of the data.

    Parameters
    ----------
    divergence : must have a Pinsker constant, else `IncompatibleError` is raised.
    held_out : the critic's value on held-out samples; its standard error is ``gap.standard_error``.
    gap : variational gap and overfit of that critic.
    known : the true divergence and its standard error, where it is known.
    misfit : L_y = E|T_y(X) - Y|² of a network that predicts y; None where y is its input, or where there is
        none.
    lipschitz : Lipschitz constants of T and T⁻¹, declared or measured; that of T⁻¹ is used.
    moments : a -> estimated moments of order 1 + a of (Y, Z) and of (Y, T_z(X)).
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


@public
def with_truth(bound: MeasuredBound, truth: float, floor: float = 0.0) -> MeasuredBound:
    """Return the bound with ``truth``, the distance that it bounds, among its terms; unchanged if it is NaN.

    ``truth`` is the Wasserstein-1 distance between true and learned posterior, averaged over y; ``floor`` is
    that between two samples of the same distribution: by about this much ``truth``, when it is estimated from
    samples, may be too large.
    """
    if truth != truth:
        return bound
    terms = (Term("truth", MEASURED, truth), Term("floor", MEASURED, floor), *bound.terms[2:])
    return replace(bound, terms=terms)


@public
def judge(bound: MeasuredBound) -> str:
    """Compare the bound with its term ``truth``, the true distance of the posteriors.

    Returns "holds", "broken", or "unknown" where it is NaN. The term ``floor``, the distance between two
    samples of the same distribution, is first subtracted from ``truth``.
    """
    truth, floor = (term.value for term in bound.terms[:2])
    if truth != truth:
        return "unknown"
    return "holds" if truth - floor <= bound.bound.value else "broken"
