"""Tests of the z-scores of truths among exchangeable draws, exact whatever the shape of the posterior.

Scores       of a pair, the truth v_0 and draws v_1 … v_L: z_j = (v_j − m) / s with mean and standard
             deviation of all L + 1, so that mean_j z_j = 0 and mean_j z_j² = 1
Statistic    T = mean over the pairs of g_i z_i0, or of g_i (z_i0² − 1), for weights g that do not depend on x
Null         under the exact posterior z_i0 is any of the z_ij with probability 1 / (L + 1), independently
             over the pairs: K(t) = Σ_i log mean_j exp(t g_i z_ij)
p value      twice the smaller tail probability by the saddle point K'(t) = n T: 1 − Φ(r + log(u / r) / r),
             r = sign(t) √(2 (t n T − K(t))), u = t √K''(t). Errors are relative, so that small p values hold.
Source: Lugannani and Rice 1980, Adv. Appl. Prob. 12, 475.
"""

from __future__ import annotations

import math

import numpy as np

#: Largest exponent t g z, and number of Newton steps; beyond, the bound exp(K − t n T) of Chernoff holds.
_LARGEST, _STEPS = 300.0, 60


def mean_p_values(
    truth: np.ndarray, draws: np.ndarray, weights: np.ndarray, tiny: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test truths (n, D) among draws (n, L, D) by their mean z-scores and mean squares.

    Parameters
    ----------
    weights : (n, W), independent of x given y.
    tiny : (D,) differences that are rounding errors.

    Returns
    -------
    Which quantities are tested (D,), means (D', 2, W) of g z and g (z² − 1), and their p values of the same
    shape. Quantities whose draws and truths are all equal are not tested.
    """
    values = np.concatenate([truth[:, None], draws], 1)
    scores = values - values.mean(1, keepdims=True)
    spread = np.sqrt(np.square(scores).mean(1, keepdims=True))
    scores = np.where(spread > tiny, scores / np.where(spread > tiny, spread, 1.0), 0.0)
    mask = (spread[:, 0] > tiny).any(0)
    means, p = (np.empty((int(mask.sum()), 2, weights.shape[1])) for _ in range(2))
    for row, k in enumerate(np.flatnonzero(mask)):
        z = scores[..., k]
        for power, function in enumerate((z, np.where(z == 0, 0.0, np.square(z) - 1))):
            for column, g in enumerate(weights.T):
                means[row, power, column] = (g * function[:, 0]).mean()
                p[row, power, column] = sum_p_value(g[:, None] * function)
    return mask, means, p


def sum_p_value(values: np.ndarray) -> float:
    """Return the two-sided p value of the sum of the first column of values (n, m).

    Each value of a row is as likely to be its first. Rows are independent and have mean zero.
    """
    total = float(values[:, 0].sum())
    deviation = math.sqrt(float(np.square(values).mean(1).sum()))
    if deviation == 0:
        return 1.0
    return min(1.0, 2 * _upper_tail(values / deviation * np.sign(total or 1.0), abs(total) / deviation))


def _upper_tail(values: np.ndarray, total: float) -> float:
    """Return P(S ≥ total) for total ≥ 0 and a sum S of independent rows, with mean 0 and variance 1."""
    from scipy.stats import norm

    largest = _LARGEST / float(np.abs(values).max())
    low, high, t = 0.0, largest, min(total, largest)
    for _ in range(_STEPS):
        generating, slope, curvature = _generating(values, t)
        low, high = (t, high) if slope < total else (low, t)
        newton = t + (total - slope) / max(curvature, 1e-300)
        step = newton if low < newton < high else 0.5 * (low + high)
        if abs(step - t) <= 1e-10 * max(1.0, t):
            break
        t = step
    exponent = t * total - generating
    if exponent < 1e-6:  # the centre, where the formula is 0 / 0
        return float(norm.sf(total))
    r, u = math.sqrt(2 * exponent), t * math.sqrt(curvature)
    if slope < 0.999 * total or u <= 0:
        return min(0.5, math.exp(-min(exponent, 700.0)))
    return float(min(0.5, norm.sf(r + math.log(u / r) / r)))


def _generating(values: np.ndarray, t: float) -> tuple[float, float, float]:
    """Return K(t) and its first two derivatives."""
    top = t * values.max(1, keepdims=True)
    weights = np.exp(t * values - top)
    total = weights.sum(1)
    mean = (weights * values).sum(1) / total
    square = (weights * np.square(values)).sum(1) / total
    cumulant = float((np.log(total / values.shape[1]) + top[:, 0]).sum())
    return cumulant, float(mean.sum()), float((square - np.square(mean)).sum())
