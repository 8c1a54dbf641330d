"""First Wasserstein distance W1, estimated by a critic with a gradient penalty.

Definition   W1(P, Q) = sup over 1-Lipschitz v of  E_P[v] - E_Q[v]   (Kantorovich-Rubinstein), in the units of
             x
Estimator    E_P[v] - E_Q[v], with the critic kept nearly 1-Lipschitz by a penalty on its gradient at random
             points between samples of P and of Q,  c (|∇v| - 1)²,  or only where |∇v| > 1 (one-sided)
Bias         a lower bound for a truly 1-Lipschitz critic (spectral norms); with the penalty alone the slope
             is too large by about W1/(2c), and hence the value
Cost         a critic pass over both samples, and a second derivative for the penalty

The model's gradient does not vanish with growing distance, which makes it suitable for disjoint supports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.critics.stabilisers import gradient_penalty
from workbench.divergences.base import DIVERGENCES, VariationalDivergence

if TYPE_CHECKING:
    from torch import Tensor, nn


@DIVERGENCES.register
class WassersteinCritic(VariationalDivergence):
    """First Wasserstein distance (W1) with a gradient penalty (WGAN-GP)."""

    key = "wasserstein_critic"
    title = "Wasserstein-1, critic"
    summary = "How far mass must be carried: a useful gradient even on disjoint supports."
    reference = "Arjovsky et al. (2017); Gulrajani et al. (2017), arXiv:1704.00028"
    definition = "sup over 1-Lipschitz v of E_P v - E_Q v"
    estimator = "critic with a gradient penalty"
    bias = "lower bound for a 1-Lipschitz critic; the penalty lets the slope overshoot a little"
    expense = "one critic pass over both samples and a second derivative"

    penalty_weight = param.Number(
        10.0,
        bounds=(0, 1e4),
        doc="Weight c of the gradient penalty; 0 for a critic that is 1-Lipschitz itself.",
    )
    one_sided = param.Boolean(
        False, doc="Penalise only slopes above 1: gentler, but the critic may stay too flat for longer."
    )

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return logits_p.mean() - logits_q.mean()

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return logits_p.mean() - logits_q.mean()

    def penalty(self, critic: nn.Module, p: Tensor, q: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.penalty_weight == 0:
            return p.new_zeros(())
        return self.penalty_weight * gradient_penalty(critic, p, q, generator, one_sided=self.one_sided)
