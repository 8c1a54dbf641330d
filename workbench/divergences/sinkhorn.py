"""Sinkhorn divergence: entropic optimal transport, debiased or not.

Definition   OT_ε(P, Q) = min over couplings π of  ∫ C dπ + ε KL(π || P ⊗ Q),  C = |x-y|^r / r,  r = 1 or 2
             S_ε = OT_ε(P, Q) - ½ OT_ε(P, P) - ½ OT_ε(Q, Q)    (debiased: 0 for equal distributions, never
             negative)
Limits       ε -> 0: both become W_r^r / r.  ε -> ∞: OT_ε becomes E C(x, y), and S_ε half the MMD² of -C,
             which is half the energy distance for r = 1 and |E x - E y|²/2 for r = 2: then only the means are
             matched
Estimator    Sinkhorn's iteration in the logarithmic domain with ε falling from the diameter (geomloss); ε =
             blur^r
Bias         OT_ε: not zero for equal distributions, and its minimiser is too narrow; both: upwards by the
             scatter of the samples, less so for large ε; and the error of a finite number of iterations
Cost         n² for each of some tens of iterations, more for small ε
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.divergences.base import DIVERGENCES, SampleDivergence

if TYPE_CHECKING:
    from torch import Tensor


@DIVERGENCES.register
class Sinkhorn(SampleDivergence):
    """Sinkhorn divergence or entropic transport cost, in the units of x to the power of its order r."""

    key = "sinkhorn"
    title = "Sinkhorn divergence"
    summary = "Optimal transport blurred to a length: between Wasserstein (small blur) and kernel distances."
    reference = "Cuturi (2013); Genevay, Peyré, Cuturi (2018); Feydy et al. (2019)"
    definition = "min over plans of ∫ |x-y|^r/r dπ + ε KL(π || P ⊗ Q), less its value for equal distributions"
    estimator = "Sinkhorn's iteration in the logarithmic domain"
    bias = "biased upwards by the scatter of the samples; not zero for equal distributions unless debiased"
    expense = "n² for each of some tens of iterations"

    order = param.Selector(default=2, objects=[1, 2], doc="r: cost |x-y| for 1 and |x-y|²/2 for 2.")
    blur = param.Number(
        0.05,
        bounds=(1e-3, 1e3),
        doc="Length below which detail is blurred, in the units of x; ε is its r-th power. Very large with "
        "r = 2 matches only the means.",
    )
    debiased = param.Boolean(
        True, doc="Subtract the costs within each sample, so that equal distributions have the value 0."
    )
    scaling = param.Number(
        0.8,
        bounds=(0.1, 0.99),
        doc="By how much the blur falls in each iteration: near 1 is more accurate and slower.",
    )

    @property
    def caution(self) -> str:
        if not self.debiased:
            return (
                "Undebiased entropic transport is smallest for a model narrower than the data: take the "
                "debiased divergence."
            )
        if self.order == 2 and self.blur > 3:
            return (
                f"With r = 2 a blur of {self.blur:g}, far beyond the size of standardised data, compares "
                "hardly more than the means."
            )
        return ""

    def between(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return S_ε between samples p (n, D) and q (m, D), or OT_ε unless ``debiased``: a scalar.

        Its units are those of x to the power r, ``order``.
        """
        return self._transport(p, q, self.debiased)

    def between_rows(self, p: Tensor, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a training loss, a scalar, for data p (n, D) and model samples q (n, D).

        Row i of p and row i of q may share an observation. If ``debiased``, it is the loss of
        `SampleDivergence.between_rows` with D = OT_ε; otherwise OT_ε of the first half of p and the second
        half of q.
        """
        if self.debiased:
            return self.crossed(p, q, lambda a, b: self._transport(a, b, False))
        half = len(p) // 2
        return self._transport(p[:half], q[half:], False)

    def _transport(self, p: Tensor, q: Tensor, debiased: bool) -> Tensor:
        from geomloss import SamplesLoss  # here, since the import takes long

        loss = SamplesLoss(
            "sinkhorn",
            p=self.order,
            blur=self.blur,
            scaling=self.scaling,
            debias=debiased,
            backend="tensorized",
        )
        return loss(p.contiguous(), q.contiguous())
