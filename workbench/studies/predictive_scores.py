"""Scores of predictive distributions of a scalar, each an array over the rows of held-out data.

CRPS      ∫ (F(t) − 1[t ≥ x])² dt = E|X − x| − ½ E|X − X'|, in the units of x; X, X' independent with CDF F
Source: Gneiting & Raftery 2007, Strictly proper scoring rules, prediction, and estimation (JASA 102).
"""

from __future__ import annotations

import math

import numpy as np


def normal_negative_log_density(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return −log N(x; mean, sigma²) (n,) in nats."""
    return 0.5 * ((x - mean) / sigma) ** 2 + np.log(sigma) + 0.5 * math.log(2 * math.pi)


def normal_crps(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the CRPS (n,) of normal distributions at x (n,), in closed form."""
    from scipy.special import ndtr

    z = (x - mean) / sigma
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return sigma * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))


def draws_crps(x: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return unbiased estimates (n,) of the CRPS at x (n,) from ``draws`` (n, K) of the distributions."""
    count, ascending = draws.shape[1], np.sort(draws, 1)
    weights = 2 * np.arange(1, count + 1) - count - 1
    spread = (ascending * weights).sum(1) / (count * (count - 1))
    return np.abs(draws - x[:, None]).mean(1) - spread


def quantile_crps(x: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the CRPS (n,) at x (n,) of distributions given by ``quantiles`` (n, L).

    ``levels`` (L,) are the midpoints of L equal parts of [0, 1]: the CRPS is twice the mean of the quantile
    losses over all levels.
    """
    error = x[:, None] - quantiles
    return 2 * np.maximum(levels * error, (levels - 1) * error).mean(1)


def covered(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return 1 (n,) where x lies in its interval from ``low`` to ``high``, else 0."""
    return ((x >= low) & (x <= high)).astype(float)
