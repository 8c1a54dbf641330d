"""Importance weights of draws of q for a target p: effective sample size, evidence and reliability.

weights   w_i = p(x_i, y) / q(x_i | y), x_i ~ q;  the 3 √N largest are replaced by quantiles of a fitted
          generalised Pareto distribution, whose shape k̂ says whether their variance (k̂ < 1/2) and their
          mean (k̂ < 1) exist at all
size      1 / Σ w̄_i², w̄ the normalised weights: the effective number of independent draws of p
evidence  p(y) ≈ (1/N) Σ w_i, relative error √(1/size − 1/N)
Source: Vehtari, Simpson, Gelman, Yao & Gabry 2024, Pareto smoothed importance sampling, arXiv 1507.02646;
        ArviZ's implementation of the smoothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

#: Smallest number of positive weights from which the tail's shape k̂ is estimated; with fewer it is infinite.
_FEWEST = 50


@dataclass(frozen=True)
class Weights:
    """Normalised, Pareto-smoothed log weights (N,), and the shape k̂ of their tail.

    The log evidence and its standard error are those of the weights before smoothing.
    """

    log: Tensor
    pareto_k: float
    log_evidence: float
    log_evidence_error: float

    @property
    def size(self) -> float:
        """Effective sample size 1 / Σ w², w the normalised weights."""
        return float(torch.exp(-torch.logsumexp(2 * self.log, 0)))


def effective_size(log_weights: Tensor) -> float:
    """Return the effective sample size (Σ w)² / Σ w² from log weights (N,), normalised or not."""
    return float(torch.exp(2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)))


def importance_weights(log_ratio: Tensor) -> Weights:
    """Compute the weights from log p(x, y) − log q(x | y) (N,), which is −∞ for an impossible draw."""
    log_weights = log_ratio - torch.logsumexp(log_ratio, 0)
    if int(log_ratio.isfinite().sum()) < _FEWEST:
        if log_weights.isfinite().any():
            return Weights(log_weights, math.inf, _log_mean(log_ratio), math.inf)
        equal = torch.full_like(log_weights, -math.log(len(log_weights)))
        return Weights(equal, math.inf, -math.inf, math.inf)
    smooth, k = _pareto_smooth(log_weights)
    size = float(torch.exp(-torch.logsumexp(2 * log_weights, 0)))
    error = math.sqrt(max(1 / size - 1 / len(log_weights), 0.0))
    return Weights(smooth, k, _log_mean(log_ratio), error)


def _log_mean(log_ratio: Tensor) -> float:
    return float(torch.logsumexp(log_ratio, 0)) - math.log(len(log_ratio))


def _pareto_smooth(log_weights: Tensor) -> tuple[Tensor, float]:
    from arviz_stats.base import array_stats  # takes a second to import

    values = log_weights.numpy()
    if float(np.ptp(values)) < 1e-9:  # all equal: there is no tail to fit
        return log_weights, -math.inf
    try:
        # it takes minus the logarithms, as in leave-one-out cross-validation
        smooth, k = array_stats.psislw(-values)
    except ValueError:  # the largest weights are all equal
        return log_weights, -math.inf
    return torch.from_numpy(np.asarray(smooth)), float(k)
