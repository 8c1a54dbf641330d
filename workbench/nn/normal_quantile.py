"""Quantiles of the standard normal distribution: from log-probabilities, and from ONNX operators alone.

log_quantile    z with log Φ(z) = ℓ by Newton steps on log Φ, which is concave; for ℓ < −60 they start from
                the tail expansion z ≈ −√(r − log r), r = −2ℓ − log 2π
lower_quantile  z with Φ(z) = p ≤ ½; in a traced graph by the rational approximations of AS 241
normal_cdf, normal_quantile  Φ and Φ⁻¹ in double precision, also by operators that ONNX has for it
Source: Wichura 1988, Algorithm AS 241: The percentage points of the normal distribution, Appl. Stat. 37;
Hart 1968, Computer Approximations, number 5666, in the form of West 2005 (Wilmott Magazine, May).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.special import log_ndtr, ndtri

_LOG_HALF, _HALF_LOG_TWO_PI = -math.log(2.0), 0.5 * math.log(2 * math.pi)
#: below this log-probability the search starts from the tail expansion
_TAIL = -60
#: AS 241 to seven digits: numerators and denominators in the middle, towards the tail and far out in the tail
_RATIONAL = (
    ((3.3871327179, 50.434271938, 159.29113202, 59.109374720),
     (1.0, 17.895169469, 78.757757664, 67.187563600)),
    ((1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103), (1.0, 0.73700164250, 0.12021132975)),
    ((6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997), (1.0, 0.24197894225, 0.012258202635)),
)  # fmt: skip

#: Numerator and denominator of Φ(−z) e^{z²/2} for 0 ≤ z < `_FAR`, lowest power first (Hart's 5666).
_HART = (
    (220.206867912376, 221.213596169931, 112.079291497871, 33.912866078383, 6.37396220353165,
     0.700383064443688, 0.0352624965998911),
    (440.413735824752, 793.826512519948, 637.333633378831, 296.564248779674, 86.7807322029461,
     16.064177579207, 1.75566716318264, 0.0883883476483184),
)  # fmt: skip
_FAR = 7.07106781186547


def normal_cdf(z: Tensor, *, portable: bool = False) -> Tensor:
    """Return Φ(z) in double precision; ``portable`` uses only operators that ONNX has in that precision."""
    if not portable:
        return 0.5 * torch.special.erfc(-z * math.sqrt(0.5))  # ndtr rounds tails to zero
    size = z.abs()
    near = _polynomial(_HART[0], size.clamp(max=_FAR)) / _polynomial(_HART[1], size.clamp(max=_FAR))
    fraction = size + 0.65
    for k in (4, 3, 2, 1):
        fraction = size + k / fraction
    tail = torch.exp(-0.5 * z * z) * torch.where(size < _FAR, near, 1 / (fraction * math.sqrt(2 * math.pi)))
    return torch.where(z > 0, 1 - tail, tail)


def normal_quantile(p: Tensor, *, portable: bool = False) -> Tensor:
    """Return z with Φ(z) = p, 0 < p < 1, in double precision; ``portable`` as in `normal_cdf`."""
    if not portable:
        return ndtri(p)
    lower = torch.minimum(p, 1 - p)
    z = rational_quantile(lower)
    for _ in range(2):  # Newton steps, from seven digits to all
        z = z - (normal_cdf(z, portable=True) - lower) * torch.exp(0.5 * z * z + _HALF_LOG_TWO_PI)
    return torch.where(p < 0.5, z, -z)


def log_quantile(log_p: Tensor) -> Tensor:
    """Return z ≤ 0 with log Φ(z) = log_p, for log_p ≤ log ½; accurate in the tail, differentiable once."""
    with torch.no_grad():
        target = log_p.clamp(max=_LOG_HALF)
        root = (-2 * (target.clamp(max=-1.0) + _HALF_LOG_TWO_PI)).clamp(min=1e-3)
        tail = -(root - torch.log(root.clamp(min=1.0))).clamp(min=0.1).sqrt()
        far = target < _TAIL
        start = torch.where(far, tail, ndtri(target.clamp(min=_TAIL).exp()))
        start = torch.where(far, _newton_step(_newton_step(start, target), target), start)
    return _newton_step(start, log_p)  # one more, for the last digits and for the gradient


def _newton_step(z: Tensor, log_p: Tensor) -> Tensor:
    log_cdf = log_ndtr(z)
    return z - (log_cdf - log_p) * torch.exp(log_cdf + 0.5 * z.square() + _HALF_LOG_TWO_PI)


def lower_quantile(p: Tensor) -> Tensor:
    """Return z (…) with Φ(z) = p for 0 < p ≤ ½; in a graph by polynomials, since ONNX has no ``ndtri``."""
    return rational_quantile(p) if torch.compiler.is_compiling() else ndtri(p)


def rational_quantile(p: Tensor) -> Tensor:
    """Return z (…) with Φ(z) = p for 0 < p ≤ ½ to about seven digits, by rational functions."""
    q, r = p - 0.5, (-p.log()).sqrt()
    middle, tail, far = (
        _polynomial(numerator, at) / _polynomial(denominator, at)
        for (numerator, denominator), at in zip(_RATIONAL, (0.180625 - q * q, r - 1.6, r - 5), strict=True)
    )
    return torch.where(q >= -0.425, q * middle, -torch.where(r <= 5, tail, far))


def _polynomial(coefficients: tuple[float, ...], r: Tensor) -> Tensor:
    total = torch.full_like(r, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * r + c
    return total
