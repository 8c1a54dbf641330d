"""Constants of the bounds.

c_f     TV(P, Q) <= c_f sqrt(D_f(P||Q) - D_f(P||P))            (Pinsker; TV is the supremum over sets)
C_a     2 (a^(1/(1+a)) + a^(-a/(1+a))),  C_1 = 4
lemma   E|U|^(1+a) <= M under both distributions  =>  W1 <= C_a M^(1/(1+a)) TV^(a/(1+a))

The lemma: by Kantorovich-Rubinstein W1 = sup of E_μ h - E_ν h over 1-Lipschitz h with h(0) = 0. Cut h off at
±K: the cut part differs by at most 2K TV, the rest by at most 2 M K^(-a); then the best K. Its rate is sharp:
for μ = δ_0 and ν = (1-t) δ_0 + t δ_L the distance is W1 = tL = M^(1/(1+a)) TV^(a/(1+a)).
Source: derived for this project, after VINA Theorem 3.1 (arXiv:2602.20480), whose own constants stand in the
paper's appendix.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.theory.checks import inside, not_negative, positive, refuse

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence


def pinsker_constant(divergence: Divergence) -> float:
    """Return the constant c_f of Pinsker's inequality TV <= c_f sqrt(D_f) for a divergence.

    Raises `IncompatibleError`, with the divergence's own reason, where there is none: Theorem 3.1 does not
    apply.
    """
    if divergence.pinsker is None:
        raise refuse(f"Theorem 3.1 does not apply to {divergence.title}", divergence.pinsker_reason)
    return divergence.pinsker


def total_variation_bound(divergence: Divergence, value: float) -> float:
    """Return the largest total variation, at most 1, that a value of the divergence allows.

    For the total variation itself (also as precision-recall at λ = 1) it is that value, which is sharper than
    what Pinsker's inequality gives.
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


def moment_constant(a: float) -> float:
    """Return C_a = 2 (a^(1/(1+a)) + a^(-a/(1+a))) for a > 0, the constant of the bound of W1 by TV."""
    a = positive("the moment's order a", a)
    return 2 * (a ** (1 / (1 + a)) + a ** (-a / (1 + a)))


def wasserstein_from_total_variation(total_variation: float, moment: float, a: float) -> float:
    """Bound W1, in the units of U, from the total variation TV: W1 <= C_a M^(1/(1+a)) TV^(a/(1+a)).

    ``moment`` is M >= E|U|^(1+a) under both distributions.
    """
    total_variation = inside("TV", total_variation, 0, 1)
    moment = not_negative("the moment M", moment)
    return moment_constant(a) * moment ** (1 / (1 + a)) * total_variation ** (a / (1 + a))
