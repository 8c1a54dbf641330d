"""Importance weights: how far draws of q stand for p, and what they say of its normalisation.

weights   w_i = p(x_i, y) / q(x_i | y), x_i ~ q;  the largest √N·3 replaced by quantiles of a fitted
          generalised Pareto law, whose shape k̂ says whether their variance (k̂ < 1/2) and their mean (k̂ < 1)
          exist at all
size      1 / Σ w̄_i², w̄ the normalised weights: the effective number of independent draws of p
evidence  p(y) ≈ (1/N) Σ w_i, relative error √(1/size − 1/N)
Source: Vehtari, Simpson, Gelman, Yao & Gabry 2024, Pareto smoothed importance sampling, arXiv 1507.02646;
        the smoothing is ArviZ's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: Fewer weights above zero than this say nothing about their tail.
_FEWEST = 50


@dataclass(frozen=True)
class Weights:
    """Normalised log weights (N,), smoothed; k̂; log evidence of the unsmoothed ones and its error."""

    log: Tensor
    pareto_k: float
    log_evidence: float
    log_evidence_error: float

    @property
    def size(self) -> float:
        """The effective sample size."""
        return float(torch.exp(-torch.logsumexp(2 * self.log, 0)))


def weigh(log_ratio: Tensor) -> Weights:
    """From log p(x, y) − log q(x | y) (N,), −∞ where the draw is impossible."""
    raw = log_ratio - torch.logsumexp(log_ratio, 0)
    if int(log_ratio.isfinite().sum()) < _FEWEST:
        even = torch.full_like(raw, -math.log(len(raw))) if not raw.isfinite().any() else raw
        return Weights(even, math.inf, -math.inf if even is not raw else _mean(log_ratio), math.inf)
    smoothed, k = _smoothed(raw)
    size = float(torch.exp(-torch.logsumexp(2 * raw, 0)))
    error = math.sqrt(max(1 / size - 1 / len(raw), 0.0))
    return Weights(smoothed, k, _mean(log_ratio), error)


def _mean(log_ratio: Tensor) -> float:
    return float(torch.logsumexp(log_ratio, 0)) - math.log(len(log_ratio))


def _smoothed(raw: Tensor) -> tuple[Tensor, float]:
    from arviz_stats.base import array_stats  # a second to import, and only here

    values = raw.numpy()
    if float(np.ptp(values)) < 1e-9:  # all alike: there is no tail to fit
        return raw, -math.inf
    try:
        # it takes minus the logarithms, as leave-one-out cross-validation has them
        log_weights, k = array_stats.psislw(-values)
    except ValueError:  # the largest weights are all alike
        return raw, -math.inf
    return torch.from_numpy(np.asarray(log_weights)), float(k)
