"""Sufficient conditions for the assumptions of VINA Theorem 3.1: Propositions 3.1 to 3.3, arXiv:2602.20480.

The network T = (T_y, T_z) maps x to (y, z), Z is the latent prior. L_y = E|T_y(X) - Y|²; L_z is the best
value of a class of critics g, a lower bound of the f-divergence D_f of P = P_{Y,Z} and Q = P_{Y,T_z(X)}; L̂_y
and L̂_z are the same on n samples. Critics satisfy |g| <= b; f* is the convex conjugate of f, A1 = sup|(f*)'|
and A2 = sup|f*| over [-b, b].

3.1 (INN2, uniform convergence)  sup|L̂_z - L_z| ≲ R1 + A1 R2 + (b + A2)/sqrt n,
                                 sup|L̂_y - L_y| ≲ K R_y + K²/sqrt n + 4 M K^(-β), suprema over the networks T
            R1, R2, R_y: Rademacher complexities (expected largest mean, over the class, of values at n
            samples times random signs) of g(y, z), of g(y, T_z(x)) and of <v, T_y(x)> with |v| <= 1;
            K the truncation radius; M bounds E|Y|^(2+β) and E|T_y(X)|^(2+β)
3.2 (INN3, moments)  |T(x)| <= J0 + J|x|  =>  R = 2^(2a+1) (J0^(1+a) + J^(1+a) E|X|^(1+a)) bounds
            E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a)
3.3 (INN4, variational gap)  η = sup (D_f - L_z) ≲ τ2 + A1 δ + (b + A2) τ1
            δ: how well critics approximate the optimal one, clipped to [-b, b], inside a ball; τ1: mass of P
            and Q outside of the ball; τ2: the part of the optimal critic that is clipped off

3.1 and 3.3 hold up to absolute constants (≲) that the VINA paper does not give: their values are orders of
magnitude, and rates. 3.2 is exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.lazy import torch
from workbench.core.numbers import whole_number
from workbench.theory.checks import at_least_one, not_negative, positive, refuse

if TYPE_CHECKING:
    from workbench.divergences.base import FDivergence


@public
def conjugate_extremes(divergence: FDivergence, bound: float, points: int = 20_001) -> tuple[float, float]:
    """Return A1 = sup|(f*)'| and A2 = sup|f*| over [-b, b], for an f-divergence and critics |g| <= b.

    f* is the convex conjugate of f, b = ``bound``; A1 and A2 enter VINA Propositions 3.1 and 3.3
    (arXiv:2602.20480). Raises `IncompatibleError` where [-b, b] is not inside the domain of f*: there a
    bounded critic can have an infinite loss. f* is convex and monotone, so that the extremes are at the ends;
    the ``points`` in between guard against formulas for which this is not so.
    """
    bound = positive("the critics' bound b", bound)
    points = whole_number(points, "number of points", low=2)
    t = torch.linspace(-bound, bound, points, dtype=torch.float64, requires_grad=True)
    values = divergence.conjugate(t)
    (slopes,) = torch.autograd.grad(values[torch.isfinite(values)].sum(), t)
    if not bool(torch.isfinite(values).all() and torch.isfinite(slopes).all()):
        raise refuse(
            f"Proposition 3.1 cannot be used for {divergence.title} with critics in [-{bound:g}, {bound:g}]",
            "the conjugate is infinite inside: take the critics in their logit, where it is not",
        )
    return float(slopes.abs().max()), float(values.detach().abs().max())


@public
def uniform_deviation_z(
    *, rademacher_critic: float, rademacher_joint: float, slope: float, height: float, bound: float, n: int
) -> float:
    """Return the order of sup |L̂_z - L_z|, the largest error of the unsupervised loss on n samples.

    Over all networks it is R1 + A1 R2 + (b + A2)/sqrt n, up to an absolute constant: VINA Proposition 3.1,
    eq. (25), arXiv:2602.20480. L_z is the best value of a class of critics g with |g| <= b.

    Parameters
    ----------
    rademacher_critic, rademacher_joint : R1 and R2, Rademacher complexities of the critics g(y, z) and of
        their values g(y, T_z(x)) at the networks' latents.
    slope, height : A1 and A2 of `conjugate_extremes`.
    bound : b.
    n : number of samples.
    """
    n = at_least_one("the number of samples n", n)
    complexity = not_negative("R1", rademacher_critic) + not_negative("A1", slope) * not_negative(
        "R2", rademacher_joint
    )
    return complexity + (positive("b", bound) + not_negative("A2", height)) / n**0.5


@public
def uniform_deviation_y(*, rademacher: float, radius: float, moment: float, beta: float, n: int) -> float:
    """Return the order of sup |L̂_y - L_y|, the largest error of the supervised loss on n samples.

    Over all networks it is K R_y + K²/sqrt n + 4 M K^(-β), up to an absolute constant: VINA Proposition 3.1,
    eq. (26), arXiv:2602.20480. L_y = E|T_y(X) - Y|², T_y(X) the predicted y.

    Parameters
    ----------
    rademacher : R_y, the Rademacher complexity of the functions <v, T_y(x)>, |v| <= 1.
    radius : K, the truncation radius; see `best_radius`.
    moment : M, a bound on E|Y|^(2+β) and E|T_y(X)|^(2+β); the paper calls this one R_y.
    beta : β > 0.
    n : number of samples.
    """
    radius, n = positive("the radius K", radius), at_least_one("the number of samples n", n)
    tail = 4 * not_negative("the moment of order 2 + β", moment) * radius ** -positive("β", beta)
    return radius * not_negative("the Rademacher complexity", rademacher) + radius**2 / n**0.5 + tail


@public
def best_radius(*, moment: float, beta: float, n: int) -> float:
    """Return the truncation radius K of `uniform_deviation_y` that balances K²/sqrt n against 4 M K^(-β).

    (2 β M sqrt n)^(1/(2+β)), where ``moment`` M bounds E|Y|^(2+β) and E|T_y(X)|^(2+β), and n is the number of
    samples.
    """
    beta, moment = positive("β", beta), positive("the moment of order 2 + β", moment)
    return (2 * beta * moment * at_least_one("the number of samples n", n) ** 0.5) ** (1 / (2 + beta))


@public
def moment_bound(*, offset: float, slope: float, moment_x: float, a: float) -> float:
    """Return R = 2^(2a+1) (J0^(1+a) + J^(1+a) E|X|^(1+a)): VINA Proposition 3.2, arXiv:2602.20480.

    R bounds E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a), assumption INN3 of Theorem 3.1, if all networks satisfy
    |T(x)| <= J0 + J|x|. ``offset`` is J0, ``slope`` J, ``moment_x`` E|X|^(1+a).
    """
    a = positive("the moment's order a", a)
    j0, j = not_negative("J0", offset), not_negative("J", slope)
    moment_x = not_negative("E|X|^(1+a)", moment_x)
    try:
        return 2 ** (2 * a + 1) * (j0 ** (1 + a) + j ** (1 + a) * moment_x)
    except OverflowError:  # beyond the largest floating point number
        return math.inf


@public
def gap_bound(
    *, approximation: float, outside: float, cut: float, slope: float, height: float, bound: float
) -> float:
    """Return the order of the variational gap, τ2 + A1 δ + (b + A2) τ1: VINA, arXiv:2602.20480, Prop. 3.3.

    The gap η is the f-divergence D_f of (Y, Z) and (Y, T_z(X)) less the best value of critics with |g| <= b;
    an absolute constant is left out.

    Parameters
    ----------
    approximation : δ, how well such critics approximate the optimal one, clipped to [-b, b], inside a ball.
    outside : τ1, the mass of both distributions outside of the ball.
    cut : τ2, the part of the optimal critic that is clipped off.
    slope, height : A1 and A2 of `conjugate_extremes`.
    bound : b.
    """
    approximation, outside = not_negative("δ", approximation), not_negative("τ1", outside)
    tails = (positive("b", bound) + not_negative("A2", height)) * outside
    return not_negative("τ2", cut) + not_negative("A1", slope) * approximation + tails
