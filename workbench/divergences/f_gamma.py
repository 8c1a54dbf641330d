"""(f, Γ)-divergence: an f-divergence restricted to Lipschitz critics, optimised over a constant shift.

Definition   D(P||Q) = sup over L-Lipschitz g of  E_P[g] - inf over ν of { ν + E_Q[f*(g - ν)] }
                     = inf over distributions η of  D_f(η||Q) + L W1(P, η)    <= min(D_f, L W1)
Estimator    the first form; ν by a one-dimensional convex search on the batch, g kept nearly L-Lipschitz by a
             one-sided gradient penalty
Bias         a lower bound for a truly L-Lipschitz critic; ν is fitted to the batch, which makes a batch's
             value too high by O(1/m); the penalty lets the slope overshoot a little
Cost         a critic pass over both samples, a second derivative, and a search of 80 evaluations of f*

With KL the search has the closed form ν = log E_Q[e^(g-1)] and the value is that of Donsker and Varadhan.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.critics.stabilisers import gradient_penalty
from workbench.divergences.base import DIVERGENCES, FDivergence, VariationalDivergence
from workbench.divergences.jensen_shannon import JensenShannon
from workbench.divergences.kullback_leibler import KullbackLeibler
from workbench.divergences.neyman import Neyman
from workbench.divergences.pearson import Pearson
from workbench.divergences.reverse_kl import ReverseKullbackLeibler
from workbench.divergences.squared_hellinger import SquaredHellinger

if TYPE_CHECKING:
    from torch import Tensor, nn

_BASES = {
    d.key: d
    for d in (KullbackLeibler, ReverseKullbackLeibler, JensenShannon, SquaredHellinger, Pearson, Neyman)
}
_GOLDEN = (math.sqrt(5) - 1) / 2


def best_shift(divergence: FDivergence, values: Tensor, steps: int = 80) -> Tensor:
    """Return the shift ν that minimises ν + E_Q[f*(g - ν)] for a critic's ``values`` g at samples of Q (m,).

    The scalar has no gradient. It lies between min g - f'(1) and max g - f'(1), since there (f*)' is 1. The
    search is a golden section in double precision; the error of the minimum is of second order in that of ν.
    """
    g = values.detach().flatten().double().cpu()
    slope = divergence.gain(divergence.optimal_logits(g.new_zeros(())))
    low, high = float(g.min() - slope), float(g.max() - slope)

    def at(shift: float) -> float:
        return shift + float(divergence.conjugate(g - shift).mean())

    inner_low, inner_high = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_low, at_high = at(inner_low), at(inner_high)
    for _ in range(steps):
        # outside the domain of f*, towards smaller shifts, the objective is infinite
        if at_low < at_high:
            high, inner_high, at_high = inner_high, inner_low, at_low
            inner_low = high - _GOLDEN * (high - low)
            at_low = at(inner_low)
        else:
            low, inner_low, at_low = inner_low, inner_high, at_high
            inner_high = low + _GOLDEN * (high - low)
            at_high = at(inner_high)
    return values.new_tensor(inner_high)


@DIVERGENCES.register
class FGamma(VariationalDivergence):
    """(f, Γ)-divergence D(P||Q), where Γ is the class of L-Lipschitz functions."""

    key = "f_gamma"
    title = "(f, Γ)-divergence"
    summary = "An f-divergence that stays finite on disjoint supports, between D_f and L times W1."
    reference = "Birrell et al. (2022), JMLR 23(39)"
    definition = "inf over η of D_f(η||Q) + L W1(P, η)"
    estimator = "critic with a gradient penalty, shift-optimised"
    bias = "lower bound for an L-Lipschitz critic; the penalty lets the slope overshoot a little"
    expense = "one critic pass over both samples, a second derivative and a line search"
    pinsker_reason = "It may be arbitrarily smaller than D_f: no Pinsker inequality."

    base = param.Selector(default="kl", objects=list(_BASES), doc="The f-divergence that is softened.")
    lipschitz = param.Number(
        1.0,
        bounds=(1e-3, 1e3),
        doc="Largest slope L of the critic: large is closer to D_f, small to L times W1.",
    )
    penalty_weight = param.Number(
        10.0,
        bounds=(0, 1e4),
        doc="Weight of the gradient penalty; 0 for a critic that is L-Lipschitz itself.",
    )

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self.value(logits_p, logits_q)

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        divergence = _BASES[self.base]()
        # the minimum over ν moves with the critic only to second order: its gradient is that at fixed ν
        shift = best_shift(divergence, logits_q)
        return logits_p.mean() - shift - divergence.conjugate(logits_q - shift).mean()

    def penalty(self, critic: nn.Module, p: Tensor, q: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.penalty_weight == 0:
            return p.new_zeros(())
        slope = gradient_penalty(critic, p, q, generator, target=self.lipschitz, one_sided=True)
        return self.penalty_weight / self.lipschitz**2 * slope
