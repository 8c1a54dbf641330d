"""What a divergence is: a Spec that turns two samples, or a critic's outputs on them, into a number."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from workbench.core.spec import Spec


class Divergence(Spec):
    """D(P, Q). ``estimator`` and ``bias`` say how the number comes about; they stand on the divergence's
    card."""

    estimator: ClassVar[str] = ""
    bias: ClassVar[str] = ""


class VariationalDivergence(Divergence):
    """An f-divergence as the supremum over critics ``v`` of ``E_P[gain(v)] - E_Q[cost(v)]`` (VINA eqs. 9,
    10).

    ``gain`` is ``g_f(v)`` and ``cost`` is ``f*(g_f(v))``, both written so that no value of the logit ``v``
    overflows.
    """

    @abstractmethod
    def gain(self, logits: Tensor) -> Tensor:
        """g_f(v) on samples of P, elementwise."""

    @abstractmethod
    def cost(self, logits: Tensor) -> Tensor:
        """f*(g_f(v)) on samples of Q, elementwise."""

    @abstractmethod
    def optimal_logits(self, log_ratio: Tensor) -> Tensor:
        """The logit at which the supremum is reached, from log p/q, elementwise."""

    def value(self, logits_p: Tensor, logits_q: Tensor) -> Tensor:
        """The variational value for one critic: a lower bound of D(P, Q) up to sampling error. (n,), (m,)
        -> ()."""
        return self.gain(logits_p).mean() - self.cost(logits_q).mean()
