"""Constants of the bounds on the Wasserstein-1 distance W1 in `workbench.theory.bounds`.

c_f     TV(P, Q) <= c_f sqrt(D_f(P||Q) - D_f(P||P))            Pinsker's inequality for an f-divergence D_f;
        TV is the total variation, the supremum of |P(B) - Q(B)| over sets B
C_a     2 (a^(1/(1+a)) + a^(-a/(1+a))),  C_1 = 4,  for moments of order 1 + a, a > 0
lemma   E|U|^(1+a) <= M for U from μ and for U from ν  =>  W1(μ, ν) <= C_a M^(1/(1+a)) TV(μ, ν)^(a/(1+a))

The lemma: by Kantorovich-Rubinstein W1 = sup of E_μ h - E_ν h over 1-Lipschitz h with h(0) = 0. Cut h off at
±K: the cut part differs by at most 2K TV, the rest by at most 2 M K^(-a); then the best K. Its rate is sharp:
for μ = δ_0 and ν = (1-t) δ_0 + t δ_L, point masses at 0 and at distance L, the distance is
W1 = tL = M^(1/(1+a)) TV^(a/(1+a)).
Source: derived for this project, after VINA Theorem 3.1 (arXiv:2602.20480), whose own constants stand in the
paper's appendix.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.theory.checks import inside, not_negative, positive, refuse

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence


@public
def pinsker_constant(divergence: Divergence) -> float:
    """Return the constant c_f of Pinsker's inequality TV <= c_f sqrt(D_f) for an f-divergence D_f.

    TV is the total variation, the supremum over sets. Raises `IncompatibleError`, with the divergence's own
    reason, where there is no such constant: VINA Theorem 3.1 (arXiv:2602.20480) does not apply then.
    """
    if divergence.pinsker is None:
        raise refuse(f"Theorem 3.1 does not apply to {divergence.title}", divergence.pinsker_reason)
    return divergence.pinsker


@public
def total_variation_bound(divergence: Divergence, value: float) -> float:
    """Return the largest total variation, at most 1, of two distributions whose divergence is ``value``.

    By Pinsker's inequality c_f sqrt(``value`` - its value at equality), c_f = `pinsker_constant`. For the
    total variation itself (also as precision-recall at λ = 1, λ its trade-off of precision and recall) it is
    the value, which is sharper.
    """
    constant = pinsker_constant(divergence)
    excess = max(
        not_negative(
            "the divergence's excess over equal distributions", value - divergence.at_equality, 1e-9
        ),
        0,
    )
    if divergence.key in ("total_variation", "precision_recall"):
        return min(excess, 1.0)
    return min(constant * math.sqrt(excess), 1.0)


@public
def moment_constant(a: float) -> float:
    """Return C_a = 2 (a^(1/(1+a)) + a^(-a/(1+a))) for a > 0.

    It is the constant of `wasserstein_from_total_variation`, for moments of order 1 + a.
    """
    a = positive("the moment's order a", a)
    return 2 * (a ** (1 / (1 + a)) + a ** (-a / (1 + a)))


@public
def wasserstein_from_total_variation(total_variation: float, moment: float, a: float) -> float:
    """Bound the Wasserstein-1 distance W1 of two distributions by their total variation TV.

    In the units of U, W1 <= C_a M^(1/(1+a)) TV^(a/(1+a)), C_a = `moment_constant` of a; ``moment`` is M >=
    E|U|^(1+a) for U from either distribution, a > 0.
    """
    total_variation = inside("TV", total_variation, 0, 1)
    moment = not_negative("the moment M", moment)
    return moment_constant(a) * moment ** (1 / (1 + a)) * total_variation ** (a / (1 + a))
