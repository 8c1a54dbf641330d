"""Bounds on the Wasserstein-1 distance W1 between true and learned posteriors: VINA Theorem 3.1.

Symbols
-------
T = (T_y, T_z)   the network, a bijection that maps x to y and a latent z; P_Z is the law of z
T⁻¹(y, Z)        for Z drawn from P_Z: the learned posterior of x given y
L_y              E|T_y(X) - Y|², the supervised loss
L_z              the critics' best value, at most D_f: the unsupervised loss
TV, D_f          total variation and f-divergence of P_{Y,Z} (first) and P_{Y,T_z(X)}
J                a bound on the Lipschitz constant of T⁻¹
a, R             a > 0; R bounds the moments E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a)
A, p_A           a set of observations y, and its probability P(Y in A); P^(A) is a law given that Y is in A
c_f, C_a         TV <= c_f sqrt(D_f) (Pinsker); C_a = 2 (a^(1/(1+a)) + a^(-a/(1+a)))
λ                weight of L_z in the training loss L_y + λ L_z
u, r             bounds, over all networks, on the error of L_y and L_z as estimated from n training samples
η                variational gap, a bound on D_f - L_z

Bounds
------
conditional  W1(P_X^(A), P_{T⁻¹(Y,Z)}^(A)) <= J [ sqrt(L_y/p_A) + (C_a/p_A) R^(1/(1+a)) TV^(a/(1+a)) ]
averaged     E_Y W1(P_{X|Y}, T⁻¹(Y,·)#P_Z)  <= J [ sqrt(L_y) + C_a R^(1/(1+a)) TV^(a/(1+a)) ]
             # is the law of the image: T⁻¹(Y,·)#P_Z is the learned posterior given Y
flow         W1(P_X, P_{T⁻¹(Z)})            <= J C_a R^(1/(1+a)) TV^(a/(1+a)),   TV between P_Z and P_{T(X)}
learned      if u and r hold (assumption INN2), the minimiser of the empirical loss has  L_y <= 2 (u + λ r)
             and  D_f <= 2 (u/λ + r) + η,  hence Theorem 3.1 with TV <= c_f sqrt(2 (u/λ + r) + η)

Steps: T⁻¹ stretches by at most J; triangle inequality through (Y, T_z(X)); the obvious coupling for the first
leg and the lemma of constants.py for the second. Conditioning on A divides TV and moments by p_A since both
distributions have the same Y; averaging over y needs no p_A by Hölder's inequality. D_f is meant less its
value at equal distributions, which is not zero only for the GAN divergence.
Source: VINA, arXiv:2602.20480, Theorem 3.1; constants and the averaged form derived for this project.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.theory.checks import inside, not_negative, positive
from workbench.theory.constants import total_variation_bound, wasserstein_from_total_variation

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence


@dataclass(frozen=True)
class Bound:
    """An upper bound of the Wasserstein-1 distance between true and learned posterior, in the units of x.

    ``value`` is the sum of two terms: ``supervised`` comes from the error L_y = E|T_y(X) - Y|² of the
    predicted y, ``unsupervised`` from the total variation between the latents' prior and the latents of the
    data, both taken jointly with Y.
    """

    value: float
    supervised: float
    unsupervised: float


@public
def averaged_posterior_bound(
    *, misfit: float, total_variation: float, moment: float, lipschitz: float, a: float
) -> Bound:
    """Bound the Wasserstein-1 distance of true and learned posterior, averaged over the observations Y.

    The averaged form, derived for this project, of VINA Theorem 3.1 (arXiv:2602.20480), C_a =
    `moment_constant`:

        J [ sqrt(L_y) + C_a R^(1/(1+a)) TV^(a/(1+a)) ]

    Parameters
    ----------
    misfit : L_y = E|T_y(X) - Y|², the squared error of the y that the network T = (T_y, T_z) predicts.
    total_variation : TV between (Y, Z) and (Y, T_z(X)), Z the latent prior and T_z(X) the latents of the
        data.
    moment : R, a bound on E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a).
    lipschitz : J, a bound on the Lipschitz constant of T⁻¹.
    a : the moments have order 1 + a, a > 0.
    """
    return conditional_bound(
        misfit=misfit,
        total_variation=total_variation,
        moment=moment,
        lipschitz=lipschitz,
        a=a,
        probability=1.0,
    )


@public
def conditional_bound(
    *, misfit: float, total_variation: float, moment: float, lipschitz: float, a: float, probability: float
) -> Bound:
    """Bound W1 between X and T⁻¹(Y, Z), both given that Y lies in a set A.

    W1 is the Wasserstein-1 distance, T⁻¹(Y, Z) the learned posterior. By VINA Theorem 3.1 (arXiv:2602.20480),
    with p_A = P(Y in A) and this project's constants (C_a = `moment_constant`), it is at most

        J [ sqrt(L_y/p_A) + (C_a/p_A) R^(1/(1+a)) TV^(a/(1+a)) ]

    Parameters
    ----------
    misfit : L_y = E|T_y(X) - Y|², the squared error of the y that the network T = (T_y, T_z) predicts.
    total_variation : TV between (Y, Z) and (Y, T_z(X)), Z the latent prior and T_z(X) the latents of the
        data.
    moment : R, a bound on E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a).
    lipschitz : J, a bound on the Lipschitz constant of T⁻¹.
    a : the moments have order 1 + a, a > 0.
    probability : p_A.
    """
    probability = inside("the probability of A", probability, 0, 1, open_low=True)
    lipschitz = positive("the Lipschitz constant J", lipschitz)
    term_y = math.sqrt(not_negative("L_y", misfit) / probability)
    term_z = wasserstein_from_total_variation(total_variation, moment, a) / probability
    return Bound(lipschitz * (term_y + term_z), lipschitz * term_y, lipschitz * term_z)


@public
def flow_bound(*, total_variation: float, moment: float, lipschitz: float, a: float) -> Bound:
    """Bound W1(P_X, P_{T⁻¹(Z)}), the Wasserstein-1 distance of data and samples of a flow T without y.

    It is J C_a R^(1/(1+a)) TV^(a/(1+a)), C_a = `moment_constant` of a: VINA Theorem 3.1 (arXiv:2602.20480)
    without the supervised part, derived for this project (the paper has it as Theorem B.1, in its appendix).
    With ``lipschitz=1`` and moments of X and T⁻¹(Z) it is the lemma of constants.py in the space of X, since
    a bijection does not change TV.

    Parameters
    ----------
    total_variation : TV between the latent prior P_Z and the latents T(X) of the data.
    moment : R, a bound on E|Z|^(1+a) and E|T(X)|^(1+a).
    lipschitz : J, a bound on the Lipschitz constant of T⁻¹.
    a : the moments have order 1 + a, a > 0.
    """
    return conditional_bound(
        misfit=0.0, total_variation=total_variation, moment=moment, lipschitz=lipschitz, a=a, probability=1.0
    )


@public
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
    """Bound W1 of true and learned posterior for the network that minimises the empirical loss L_y + λ L_z.

    VINA Theorem 3.1 (arXiv:2602.20480), with constants derived for this project. L_y = E|T_y(X) - Y|² is the
    supervised loss of the network T = (T_y, T_z), L_z the unsupervised one: the best value of a class of
    critics, a lower bound of the divergence D_f of (Y, Z) and (Y, T_z(X)), Z the latent prior. Raises
    `IncompatibleError` for a divergence without a Pinsker constant.

    Parameters
    ----------
    divergence : D_f.
    deviation_y, deviation_z : u_n and r_n, bounds over all networks on the error of L_y and L_z as estimated
        from n training samples (assumption INN2 of the theorem).
    gap : variational gap η_n, a bound on D_f - L_z (assumption INN4).
    weight : λ > 0, the weight of L_z in the training loss.
    moment : R, a bound on E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a).
    lipschitz : J, a bound on the Lipschitz constant of T⁻¹.
    a : the moments have order 1 + a, a > 0.
    probability : P(Y in A) for the posteriors given that Y lies in a set A; 1 for the average over all y.
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


@public
def learned_flow_bound(
    divergence: Divergence, *, deviation: float, gap: float, moment: float, lipschitz: float, a: float
) -> Bound:
    """Bound W1(P_X, P_{T⁻¹(Z)}) for the flow T without y that minimises the empirical loss.

    W1 is the Wasserstein-1 distance of data and samples. As `flow_bound`, with the divergence D_f of the
    latent prior P_Z and the latents T(X) of the data, which for this flow is at most 2 r_n + η_n: VINA
    (arXiv:2602.20480), Theorem 3.1 without the supervised part, derived for this project.

    Parameters
    ----------
    divergence : D_f; `IncompatibleError` is raised if it has no Pinsker constant.
    deviation : r_n, a bound over all flows on the error of the loss as estimated from n training samples.
    gap : variational gap η_n, a bound on D_f less the best value of the class of critics.
    moment : R, a bound on E|Z|^(1+a) and E|T(X)|^(1+a).
    lipschitz : J, a bound on the Lipschitz constant of T⁻¹.
    a : the moments have order 1 + a, a > 0.
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


@public
def rate(a: float) -> float:
    """Return a/(2(1+a)), the exponent in W1 ≲ (r + u + η)^(a/(2(1+a))): VINA, arXiv:2602.20480, Theorem 3.1.

    W1 is the Wasserstein-1 distance of true and learned posterior; r and u bound the sampling errors of the
    unsupervised and the supervised loss, η is the variational gap of the critics, and moments of order 1 + a
    of observations and latents are finite.
    """
    a = positive("the moment's order a", a)
    return a / (2 * (1 + a))
