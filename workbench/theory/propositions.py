"""Sufficient conditions for the assumptions of Theorem 3.1 (VINA Propositions 3.1 to 3.3, arXiv:2602.20480).

3.1 (INN2)  sup|L̂_z - L_z| ≲ R1 + A1 R2 + (b + A2)/sqrt n,   sup|L̂_y - L_y| ≲ K R_y + K²/sqrt n + 4 M K^(-β)
            L̂ the average of a loss L over n samples, the suprema over the networks T; R1, R2, R_y Rademacher
            complexities, b the critics' bound, f* the convex conjugate of f, A1 = sup|(f*)'|, A2 = sup|f*| on
            [-b, b], K the truncation radius, M a bound of the (2+β)-th moments of Y and T_y(X)
3.2 (INN3)  |T(x)| <= J0 + J|x|  =>  R = 2^(2a+1) (J0^(1+a) + J^(1+a) E|X|^(1+a))
3.3 (INN4)  η <= τ2 + A1 δ + (b + A2) τ1, up to a constant: δ the error of approximation in the ball, τ1 the
            mass outside of it, τ2 the part of the optimal critic that is truncated

3.1 and 3.3 hold up to absolute constants that the VINA paper does not give: their values are orders of
magnitude, and rates. 3.2 is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.theory.checks import at_least_one, not_negative, positive, refuse

if TYPE_CHECKING:
    from workbench.divergences.base import FDivergence


def conjugate_extremes(divergence: FDivergence, bound: float, points: int = 20_001) -> tuple[float, float]:
    """Return A1 = sup|(f*)'| and A2 = sup|f*| over [-b, b], f* the convex conjugate and b = ``bound``.

    Raises `IncompatibleError` where [-b, b] is not inside the domain of f*: there a bounded critic can have
    an infinite loss. f* is convex and monotone, so that the extremes are at the ends; the points in between
    guard against formulas for which this is not so.
    """
    bound = positive("the critics' bound b", bound)
    t = torch.linspace(-bound, bound, points, dtype=torch.float64, requires_grad=True)
    values = divergence.conjugate(t)
    (slopes,) = torch.autograd.grad(values[torch.isfinite(values)].sum(), t)
    if not bool(torch.isfinite(values).all() and torch.isfinite(slopes).all()):
        raise refuse(
            f"Proposition 3.1 cannot be used for {divergence.title} with critics in [-{bound:g}, {bound:g}]",
            "the conjugate is infinite inside: take the critics in their logit, where it is not",
        )
    return float(slopes.abs().max()), float(values.detach().abs().max())


def uniform_deviation_z(
    *, rademacher_critic: float, rademacher_joint: float, slope: float, height: float, bound: float, n: int
) -> float:
    """Return the order of sup over T of |L̂_z - L_z|: Proposition 3.1, eq. (25).

    It is R1 + A1 R2 + (b + A2)/sqrt n. ``rademacher_critic`` is R1, ``rademacher_joint`` R2,
    ``slope`` is A1, ``height`` A2, ``bound`` b. An absolute constant is left out.
    """
    n = at_least_one("the number of samples n", n)
    complexity = not_negative("R1", rademacher_critic) + not_negative("A1", slope) * not_negative(
        "R2", rademacher_joint
    )
    return complexity + (positive("b", bound) + not_negative("A2", height)) / n**0.5


def uniform_deviation_y(*, rademacher: float, radius: float, moment: float, beta: float, n: int) -> float:
    """Return the order of sup over T of |L̂_y - L_y|: Proposition 3.1, eq. (26).

    It is K R_y + K²/sqrt n + 4 M K^(-β) with ``radius`` K and ``moment`` M; an absolute constant is left out.
    """
    radius, n = positive("the radius K", radius), at_least_one("the number of samples n", n)
    tail = 4 * not_negative("the moment of order 2 + β", moment) * radius ** -positive("β", beta)
    return radius * not_negative("the Rademacher complexity", rademacher) + radius**2 / n**0.5 + tail


def best_radius(*, moment: float, beta: float, n: int) -> float:
    """Return the K that balances K²/sqrt n against 4 M K^(-β): (2 β M sqrt n)^(1/(2+β)), ``moment`` is M."""
    beta, moment = positive("β", beta), positive("the moment of order 2 + β", moment)
    return (2 * beta * moment * at_least_one("the number of samples n", n) ** 0.5) ** (1 / (2 + beta))


def moment_bound(*, offset: float, slope: float, moment_x: float, a: float) -> float:
    """Return the moment bound R of (INN3) from |T(x)| <= J0 + J|x| and E|X|^(1+a): Proposition 3.2.

    R bounds the moments of (Y, T_z(X)) and of (Y, Z); ``offset`` is J0, ``slope`` J.
    """
    a = positive("the moment's order a", a)
    j0, j = not_negative("J0", offset), not_negative("J", slope)
    return 2 ** (2 * a + 1) * (j0 ** (1 + a) + j ** (1 + a) * not_negative("E|X|^(1+a)", moment_x))


def gap_bound(
    *, approximation: float, outside: float, cut: float, slope: float, height: float, bound: float
) -> float:
    """Return τ2 + A1 δ + (b + A2) τ1, the order of the variational gap η: Proposition 3.3.

    ``approximation`` is δ, ``outside`` τ1, ``cut`` τ2, ``slope`` A1, ``height`` A2, ``bound`` b; an absolute
    constant is left out.
    """
    approximation, outside = not_negative("δ", approximation), not_negative("τ1", outside)
    tails = (positive("b", bound) + not_negative("A2", height)) * outside
    return not_negative("τ2", cut) + not_negative("A1", slope) * approximation + tails
