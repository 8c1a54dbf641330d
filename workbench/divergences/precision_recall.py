"""Precision-recall divergence, with a trade-off λ between the two.

Definition   D_λ(P||Q) = ∫ q f(p/q),  f(u) = max(λu, 1) - max(λ, 1);   f*(t) = t/λ + max(λ-1, 0) on [0, λ]
             precision α_λ = ∫ min(λp, q) = min(1, λ) - D_λ,  recall β_λ = α_λ/λ
Estimator    the critic maximises an auxiliary divergence, which yields r = p/q; the model minimises the
             primal form min(1, λ) - E_Q[min(λr, 1)] or, symmetrised, with the mean of both estimates of the
             precision, E_Q[min(λr, 1)] and E_P[min(1/r, λ)]
Bias         either sign: a plug-in estimate, which errs by at most λ E_Q|r - p/q|
Cost         one critic pass over both samples
Pinsker      none for λ ≠ 1, where D_λ vanishes for some unequal distributions; for λ = 1 it is TV itself

Its variational form is useless for training: the optimal critic λ 1{λp >= q} is a step, without gradient.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.entries import public
from workbench.core.errors import SpecError
from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, FDivergence, VariationalDivergence, discrete_primal
from workbench.divergences.jensen_shannon import JensenShannon
from workbench.divergences.kullback_leibler import KullbackLeibler
from workbench.divergences.pearson import Pearson
from workbench.divergences.reverse_kl import ReverseKullbackLeibler

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.divergences.gaussians import GaussianPair

_AUXILIARIES = {d.key: d for d in (KullbackLeibler, Pearson, ReverseKullbackLeibler, JensenShannon)}


@DIVERGENCES.register
class PrecisionRecall(VariationalDivergence):
    """Precision-recall (PR) divergence min(1, λ) - ∫ min(λp, q), at one trade-off λ."""

    key = "precision_recall"
    title = "Precision-recall"
    summary = "Large λ buys precision (no stray samples), small λ buys recall (no missed modes)."
    reference = "Verine et al. (2023), arXiv:2305.18910; Simon et al. (2019)"
    definition = "min(1, λ) - ∫ min(λp, q)"
    estimator = "primal form with the critic's ratio"
    bias = "either sign: a plug-in of the critic's ratio"
    expense = "one critic pass over both samples"
    invariant = True
    from_ratio = True

    trade_off = param.Number(
        1.0, bounds=(1e-3, 1e3), doc="λ: above 1 precision counts more, below 1 recall; 1 is total variation."
    )
    auxiliary = param.Selector(
        default="jensen_shannon",
        objects=list(_AUXILIARIES),
        doc="The divergence that the critic maximises to learn p/q. Jensen-Shannon is the most stable; with "
        "KL or Pearson a critic that is ahead of the model may lose it. With Pearson its gap bounds the "
        "error of the ratio.",
    )
    symmetrised = param.Boolean(
        False,
        doc="Estimate the precision on data and on model samples and take the mean.",
    )

    @property
    def _auxiliary_divergence(self) -> FDivergence:
        return _AUXILIARIES[self.auxiliary]()

    @property
    def pinsker(self) -> float | None:
        return 1.0 if self.trade_off == 1 else None

    @property
    def pinsker_reason(self) -> str:
        if self.pinsker is None:
            return (
                f"With λ = {self.trade_off:g} ≠ 1 it vanishes for some unequal distributions: no Pinsker "
                "inequality."
            )
        return "With λ = 1 it is the total variation, and TV <= 1."

    @property
    def caution(self) -> str:
        if self.trade_off == 1:
            return ""
        optimum = "a model that misses modes" if self.trade_off > 1 else "a model with stray samples"
        return (
            f"Precision-recall with λ = {self.trade_off:g} ≠ 1 also vanishes for some unequal distributions "
            f"({optimum} can be perfect by it): it identifies no posterior."
        )

    @property
    def slope_at_infinity(self) -> float:
        """Limit f'(∞) of f(u)/u for large u, which is λ."""
        return self.trade_off

    def generator(self, ratio: Tensor) -> Tensor:
        """Return the generator f(u), elementwise, for u = p/q >= 0."""
        return (self.trade_off * ratio).clamp_min(1) - max(self.trade_off, 1)

    def conjugate(self, t: Tensor) -> Tensor:
        """Return the convex conjugate f*(t), elementwise: constant below 0, infinite above λ."""
        inside = t.clamp_min(0) / self.trade_off + max(self.trade_off - 1, 0)
        return torch.where(t <= self.trade_off, inside, math.inf)

    def primal(self, p: Tensor, q: Tensor) -> Tensor:
        """Return D_λ of two discrete distributions (k,), a scalar."""
        return discrete_primal(self.generator, self.slope_at_infinity, p, q)

    def between_gaussians(self, pair: GaussianPair) -> Tensor:
        return pair.integral(self.generator)

    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        """Return the critic's optimal logit, that of the auxiliary divergence, elementwise, given log p/q."""
        return self._auxiliary_divergence.optimal_logits(log_ratio)

    def log_ratio(self, logits: Tensor) -> Tensor:
        """Return the log p/q that a critic's logits imply, elementwise."""
        return self._auxiliary_divergence.log_ratio(logits)

    def critic_value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self._auxiliary_divergence.critic_value(logits_p, logits_q)

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        return self._from_log_ratios(self.log_ratio(logits_p), self.log_ratio(logits_q))

    def from_log_densities(
        self, log_p_at_p: Tensor, log_q_at_p: Tensor, log_p_at_q: Tensor, log_q_at_q: Tensor
    ) -> Tensor:
        """Return an unbiased estimate of D_λ from log-densities at samples of P (n,) and of Q (m,)."""
        return self._from_log_ratios(log_p_at_p - log_q_at_p, log_p_at_q - log_q_at_q)

    def _from_log_ratios(self, at_p: Tensor, at_q: Tensor) -> Tensor:
        level = math.log(self.trade_off)
        precision = (level + at_q).clamp_max(0).exp().mean()
        if self.symmetrised:
            precision = 0.5 * precision + 0.5 * (-at_p).clamp_max(level).exp().mean()
        return min(1.0, self.trade_off) - precision


@public
def precision_recall_curve(p: Tensor, q: Tensor, trade_offs: Tensor) -> tuple[Tensor, Tensor]:
    """Return precision and recall, each (k,), of a model q (m,) for data p (m,) at trade-offs λ (k,).

    p and q are probabilities of discrete distributions.
    """
    if not p.ndim == q.ndim == trade_offs.ndim == 1 or len(p) != len(q):
        raise SpecError(
            "Precision and recall compare two discrete distributions at trade-offs",
            expected="probabilities (m,) twice, and trade-offs (k,)",
            found=f"{tuple(p.shape)}, {tuple(q.shape)} and {tuple(trade_offs.shape)}",
        )
    precision = torch.minimum(trade_offs[:, None] * p, q).sum(-1)
    return precision, precision / trade_offs
