"""Bounds on the Wasserstein distance between true and learned posteriors.

T = (T_y, T_z) maps x to (y, z); the learned posterior is T⁻¹(y, Z). L_y = E|T_y(X) - Y|², TV and D_f are
between P_{Y,Z} and P_{Y,T_z(X)}, J bounds the Lipschitz constant of T⁻¹, R the moments E|(Y,Z)|^(1+a) and
E|(Y,T_z(X))|^(1+a), p_A = P(Y in A). C_a and c_f are the constants of constants.py.

conditional  W1(P_X^(A), P_{T⁻¹(Y,Z)}^(A)) <= J [ sqrt(L_y/p_A) + (C_a/p_A) R^(1/(1+a)) TV^(a/(1+a)) ]
averaged     E_Y W1(P_{X|Y}, T⁻¹(Y,·)#P_Z)  <= J [ sqrt(L_y) + C_a R^(1/(1+a)) TV^(a/(1+a)) ]
flow         W1(P_X, P_{T⁻¹(Z)})            <= J C_a R^(1/(1+a)) TV^(a/(1+a)),   TV between P_Z and P_{T(X)}
learned      on the event of (INN2) the minimiser of the empirical loss has  L_y <= 2 (u + λ r)  and
             D_f <= 2 (u/λ + r) + η,  hence Theorem 3.1 with TV <= c_f sqrt(2 (u/λ + r) + η)
             u and r bound the sampling errors of L_y and L_z, λ weighs L_z, η is the variational gap

Steps: T⁻¹ stretches by at most J; triangle inequality through (Y, T_z(X)); the obvious coupling for the first
leg and the lemma of constants.py for the second. Conditioning on A divides TV and moments by p_A since both
distributions have the same Y; averaging over y needs no p_A by Hölder's inequality.
Source: VINA Theorem 3.1 (arXiv:2602.20480); constants and the averaged form derived for this project. D_f is
meant less its value at equal distributions, which is not zero only for the GAN divergence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.theory.checks import inside, not_negative, positive
from workbench.theory.constants import total_variation_bound, wasserstein_from_total_variation

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence


@dataclass(frozen=True)
class Bound:
    """An upper bound of W1 in the units of x.

    ``value`` is the sum of two terms: ``supervised`` comes from the misfit L_y, ``unsupervised`` from TV.
    """

    value: float
    supervised: float
    unsupervised: float


def averaged_posterior_bound(
    *, misfit: float, total_variation: float, moment: float, lipschitz: float, a: float
) -> Bound:
    """Bound E_Y W1(true posterior, learned posterior): the averaged form of Theorem 3.1.

    ``misfit`` is L_y, ``lipschitz`` J, ``moment`` R of order 1 + a.
    """
    return conditional_bound(
        misfit=misfit,
        total_variation=total_variation,
        moment=moment,
        lipschitz=lipschitz,
        a=a,
        probability=1.0,
    )


def conditional_bound(
    *, misfit: float, total_variation: float, moment: float, lipschitz: float, a: float, probability: float
) -> Bound:
    """Bound W1 between X and T⁻¹(Y, Z), both given that Y lies in a set A: Theorem 3.1.

    ``probability`` is P(Y in A), ``misfit`` L_y, ``lipschitz`` J, ``moment`` R of order 1 + a.
    """
    probability = inside("the probability of A", probability, 0, 1, open_low=True)
    lipschitz = positive("the Lipschitz constant J", lipschitz)
    term_y = math.sqrt(not_negative("L_y", misfit) / probability)
    term_z = wasserstein_from_total_variation(total_variation, moment, a) / probability
    return Bound(lipschitz * (term_y + term_z), lipschitz * term_y, lipschitz * term_z)


def flow_bound(*, total_variation: float, moment: float, lipschitz: float, a: float) -> Bound:
    """Bound W1(P_X, P_{T⁻¹(Z)}) for a flow without y.

    With ``lipschitz=1`` and moments of X and T⁻¹(Z) it is the lemma of constants.py in the space of X, since
    a bijection does not change TV.
    """
    return conditional_bound(
        misfit=0.0, total_variation=total_variation, moment=moment, lipschitz=lipschitz, a=a, probability=1.0
    )


def learned_bound(
    divergence: Divergence,
    *,
    deviation_y: float,
    deviation_z: float,
    gap: float,
    weight: float,
    moment: float,
    lipschitz: float,
    a: float,
    probability: float = 1.0,
) -> Bound:
    """Bound W1 for the minimiser of the empirical loss L_y + λ L_z: Theorem 3.1 with explicit constants.

    ``deviation_y`` and ``deviation_z`` are u_n and r_n of (INN2), bounds of the sampling errors of L_y and
    L_z; ``gap`` is the variational gap η_n of (INN4), ``weight`` is λ. Raises `IncompatibleError` for a
    divergence without a Pinsker constant.
    """
    weight = positive("the weight λ", weight)
    u, r = not_negative("u_n", deviation_y), not_negative("r_n", deviation_z)
    value = 2 * (u / weight + r) + not_negative("the gap η_n", gap)
    return conditional_bound(
        misfit=2 * (u + weight * r),
        total_variation=total_variation_bound(divergence, value + divergence.at_equality),
        moment=moment,
        lipschitz=lipschitz,
        a=a,
        probability=probability,
    )


def learned_flow_bound(
    divergence: Divergence, *, deviation: float, gap: float, moment: float, lipschitz: float, a: float
) -> Bound:
    """Bound W1 for a flow without y that minimises the empirical loss, where D_f <= 2 r_n + η_n.

    ``deviation`` is r_n, the bound of the loss's sampling error, ``gap`` the variational gap η_n.
    """
    return flow_bound(
        total_variation=total_variation_bound(
            divergence,
            2 * not_negative("r_n", deviation) + not_negative("the gap η_n", gap) + divergence.at_equality,
        ),
        moment=moment,
        lipschitz=lipschitz,
        a=a,
    )


def rate(a: float) -> float:
    """Return a/(2(1+a)), the exponent of r + u + η (sampling errors and gap) in Theorem 3.1."""
    a = positive("the moment's order a", a)
    return a / (2 * (1 + a))
