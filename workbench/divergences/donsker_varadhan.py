"""Kullback-Leibler divergence by the bound of Donsker and Varadhan.

Definition   KL(P||Q) = ∫ p log(p/q)
Estimator    sup over v of  E_P[v] - log E_Q[e^v],  reached at v = log p/q + any constant
Bias         a lower bound for every critic, and for the same critic a tighter one than KL's own form; the
             logarithm of a batch's mean is too low, so that a batch's value is too high by about
             var(e^v)/(2 m E[e^v]²), and the critic's gradient is biased likewise
Cost         one critic pass over both samples
Pinsker      TV <= sqrt(D/2)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.divergences.base import DIVERGENCES, VariationalDivergence
from workbench.divergences.kullback_leibler import KullbackLeibler

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences.gaussians import GaussianPair


@DIVERGENCES.register
class DonskerVaradhan(VariationalDivergence):
    """Kullback-Leibler divergence KL(P||Q) by the Donsker-Varadhan (DV) bound."""

    key = "donsker_varadhan"
    title = "Donsker-Varadhan KL"
    summary = "KL by a tighter bound, which forgives the critic a constant; biased in small batches."
    reference = "Donsker, Varadhan (1983); Belghazi et al. (2018), MINE"
    definition = "∫ p log(p/q)"
    estimator = "critic, log of a mean"
    bias = "lower bound, but a batch's value is too high by the logarithm of its mean"
    expense = "one critic pass over both samples"
    invariant = True
    from_ratio = True
    pinsker = 1 / math.sqrt(2)
    pinsker_reason = "Pinsker's inequality, in nats."

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self.value(logits_p, logits_q)

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return logits_p.mean() - (logits_q.flatten().logsumexp(0) - math.log(logits_q.numel()))

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.kl()

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        """Return log p/q, an optimal critic's logit up to a constant, elementwise."""
        return log_ratio

    def primal(self, p: Tensor, q: Tensor) -> Tensor:
        """Return KL(P||Q) of two discrete distributions (k,), a scalar."""
        return KullbackLeibler().primal(p, q)

    def from_log_densities(
        self, log_p_at_p: Tensor, log_q_at_p: Tensor, log_p_at_q: Tensor, log_q_at_q: Tensor
    ) -> Tensor:
        """Return the bound at v = log p/q, a scalar, from log-densities at samples of P (n,) and of Q (m,).

        The logarithm of the mean over Q biases it upwards.
        """
        return self.value(log_p_at_p - log_q_at_p, log_p_at_q - log_q_at_q)
