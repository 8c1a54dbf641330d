"""Closed forms of divergences between two Gaussians, and their estimates from samples by the jackknife.

Coordinates   a linear map takes Q to N(0, 1) and P to N(δ, diag λ), which changes no f-divergence
KL            KL(P||Q) = ½ Σ (λ + δ² - 1 - log λ),  KL(Q||P) = ½ Σ ((1 + δ²)/λ - 1 + log λ)
Powers        log ∫ p^a q^(1-a) = Σ -½ a log λ - ½ log s - ½ a (1-a) δ²/(λ s),  s = a/λ + 1 - a;  infinite
              unless every s > 0
Others        ∫ q f(p/q) = E under (p+q)/2 of 2 f(u)/(1+u) with u = p/q, by quasi-random numbers: the
              integrand is bounded for bounded divergences, and small where the divergence is
Jackknife     each sample is left out in blocks; the estimate's bias of order 1/n is removed, and the spread
              over the blocks gives a standard error that does not assume the samples to be Gaussian

Sources: Gil, Alajaji, Linder (2013), Rényi divergence measures for commonly used univariate continuous
distributions; Efron, Stein (1981), The jackknife estimate of variance; Mardia (1970), Measures of
multivariate skewness and kurtosis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

#: Number of blocks of a jackknife, and of quasi-random points for integrals without a closed form.
_BLOCKS, _POINTS = 24, 4096
#: Fewest samples per dimension with which a Gaussian is fitted.
_FEWEST_PER_DIMENSION = 5
#: Largest |log p/q| inserted into a generator: e^60 squared is far from the largest double.
_LARGEST_LOG_RATIO = 60.0
#: Level of each test of a sample's shape. There are six, so that one pair of Gaussians in 1000 is rejected.
_LEVEL = 1.5e-4
#: Most samples whose skewness is tested, since its cost is n².
_LARGEST_FOR_SKEWNESS = 3000


@dataclass(frozen=True)
class GaussianPair:
    """Two Gaussians in coordinates where Q is standard normal.

    Attributes
    ----------
    mean, factor : of P, its mean (D,) and its covariance's lower Cholesky factor (D, D); or (B, D) and
        (B, D, D) for B pairs at once. They are smooth functions of the moments, as the jackknife requires.
    """

    mean: Tensor
    factor: Tensor

    def kl(self) -> Tensor:
        """Return KL(P||Q), of the batch's shape."""
        widths = self.factor.square().sum((-2, -1)) - self.mean.shape[-1] - self._log_determinant()
        return 0.5 * (widths + self.mean.square().sum(-1))

    def reverse_kl(self) -> Tensor:
        """Return KL(Q||P), of the batch's shape."""
        inverse = torch.linalg.inv(self.factor)
        step = (inverse @ self.mean[..., None]).square().sum((-2, -1))
        widths = inverse.square().sum((-2, -1)) - self.mean.shape[-1] + self._log_determinant()
        return 0.5 * (widths + step)

    def log_power_integral(self, power: float) -> Tensor:
        """Return log ∫ p^a q^(1-a) for the ``power`` a, of the batch's shape; it can be inf."""
        variance, axes = torch.linalg.eigh(self.factor @ self.factor.mT)
        variance = variance.clamp_min(1e-300)
        mean = (axes.mT @ self.mean[..., None])[..., 0]
        precision = power / variance + 1 - power
        finite = precision > 0
        safe = torch.where(finite, precision, 1.0)
        terms = power * variance.log() + safe.log() + power * (1 - power) * mean**2 / (variance * safe)
        return torch.where(finite.all(-1), -0.5 * terms.sum(-1), math.inf)

    def log_ratio(self, points: Tensor) -> Tensor:
        """Return log p/q (n,) at points (n, D) in the pair's coordinates, for a single pair."""
        white = torch.linalg.solve_triangular(self.factor, (points - self.mean).T, upper=False)
        return 0.5 * (points.square().sum(-1) - white.square().sum(0) - self._log_determinant())

    def integral(self, generator: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ∫ q f(p/q) for the ``generator`` f by quasi-random numbers, of the batch's shape."""
        if self.mean.ndim == 2:
            pairs = zip(self.mean, self.factor, strict=True)
            return torch.stack([GaussianPair(m, f).integral(generator) for m, f in pairs])
        normal = _quasi_random_normal(_POINTS, len(self.mean)).to(self.mean)
        points = torch.cat([normal, self.mean + normal @ self.factor.T])
        ratio = self.log_ratio(points).clamp(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO).exp()
        return (2 * generator(ratio) / (1 + ratio)).mean()

    def _log_determinant(self) -> Tensor:
        return 2 * self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def pair(mean_p: Tensor, covariance_p: Tensor, mean_q: Tensor, covariance_q: Tensor) -> GaussianPair:
    """Return the pair of two Gaussians, or of batches: means (..., D), covariances (..., D, D)."""
    factor = torch.linalg.cholesky(covariance_q)
    step = torch.linalg.solve_triangular(factor, (mean_p - mean_q)[..., None], upper=False)
    root = torch.linalg.solve_triangular(factor, torch.linalg.cholesky(covariance_p), upper=False)
    return GaussianPair(step[..., 0], root)


@dataclass(frozen=True)
class ClosedForm:
    """Estimate of a divergence between the Gaussians fitted to two samples.

    Attributes
    ----------
    value : the estimate, without its bias of order 1/n; inf where the fitted Gaussians have no finite one.
    standard_error : its standard error; inf where a part of the samples gives an infinite value.
    """

    value: float
    standard_error: float


def closed_form(
    function: Callable[[GaussianPair], Tensor | None], p: Tensor, q: Tensor, at_equality: float = 0.0
) -> ClosedForm | None:
    """Estimate a divergence, ``function`` of a `GaussianPair`, from samples p (n, D) and q (m, D).

    ``at_equality`` is its value for equal distributions. The jackknife works on the logarithm of one plus the
    excess, since χ² divergences are exponentials of the moments. None where ``function`` has no value for
    Gaussians, or where Gaussians cannot be fitted.
    """
    if not can_be_fitted(p, q):
        return None
    whole = [_moments(s) for s in (p, q)]
    parts = [_moments_without_blocks(s) for s in (p, q)]
    full = function(pair(*whole[0], *whole[1]))
    if full is None:
        return None
    value, bias, variance = float(full), 0.0, 0.0
    level = math.log1p(max(value - at_equality, 0.0))
    for first, second in ((parts[0], whole[1]), (whole[0], parts[1])):
        values = function(pair(*first, *second))
        if values is None or not (math.isfinite(value) and bool(torch.isfinite(values).all())):
            return ClosedForm(value, math.inf)
        levels = (values - at_equality).clamp_min(0).log1p()
        bias += (len(levels) - 1) * (float(levels.mean()) - level)
        variance += (len(levels) - 1) * float(levels.var(unbiased=False))
    excess = math.expm1(level - bias)
    return ClosedForm(at_equality + excess, (1 + excess) * math.sqrt(variance))


def can_be_fitted(p: Tensor, q: Tensor) -> bool:
    """Return True if both samples (n, D) determine a Gaussian: enough points, no direction without width."""
    fewest = max(2 * _BLOCKS // 3, _FEWEST_PER_DIMENSION * p.shape[1])
    if min(len(p), len(q)) < fewest:
        return False
    return all(_conditioned(torch.atleast_2d(s.T.cov())) for s in (p, q))


def look_gaussian(p: Tensor, q: Tensor) -> bool:
    """Return True unless tests of their shape contradict that p (n, D) and q (m, D) are both Gaussian.

    Mardia's skewness and kurtosis of each sample, and the distribution of the fitted log p/q on it, which is
    what the divergence depends on.
    """
    if not can_be_fitted(p, q):
        return False
    if not all(_mardia_accepts(s) for s in (p, q)):
        return False
    return all(_log_ratio_accepts(*order) for order in ((p, q), (q, p)))


def _conditioned(covariance: Tensor) -> bool:
    scale = covariance.diagonal().sqrt()
    if not bool((scale > 0).all()):
        return False
    values = torch.linalg.eigvalsh(covariance / scale / scale[:, None])
    return bool(values[0] > 1e-10 * values[-1])


def _moments(sample: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (D,) and covariance (D, D) of a sample (n, D)."""
    return sample.mean(0), torch.atleast_2d(sample.T.cov())


def _moments_without_blocks(sample: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (B, D) and covariances (B, D, D) of a sample (n, D), each without one of B blocks."""
    parts = [torch.cat([sample[:low], sample[high:]]) for low, high in _bounds(len(sample))]
    means, covariances = zip(*(_moments(part) for part in parts), strict=True)
    return torch.stack(means), torch.stack(covariances)


def _bounds(n: int) -> list[tuple[int, int]]:
    edges = [round(i * n / _BLOCKS) for i in range(_BLOCKS + 1)]
    return [(low, high) for low, high in zip(edges[:-1], edges[1:], strict=True) if high > low]


@lru_cache(maxsize=8)
def _quasi_random_normal(n: int, features: int) -> Tensor:
    """Return the same n quasi-random standard normal points (n, D) in double precision at each call."""
    uniform = torch.quasirandom.SobolEngine(features, scramble=True, seed=0).draw(n, dtype=torch.float64)
    return torch.special.ndtri(uniform.clamp(1e-12, 1 - 1e-12))


def _whitened(sample: Tensor) -> Tensor:
    mean, covariance = _moments(sample)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), (sample - mean).T, upper=False).T


def _mardia_accepts(sample: Tensor) -> bool:
    from scipy.stats import chi2, norm

    n, features = sample.shape
    kurtosis = float(_whitened(sample).square().sum(-1).square().mean())
    gaussian = features * (features + 2) * (n - 1) / (n + 1)
    deviation = (kurtosis - gaussian) / math.sqrt(8 * features * (features + 2) / n)
    few = sample[:_LARGEST_FOR_SKEWNESS]
    white = _whitened(few)
    skewness = float((white @ white.T).pow(3).mean())
    n = len(few)
    correction = (features + 1) * (n + 1) * (n + 3) / (n * ((n + 1) * (features + 1) - 6))
    freedom = features * (features + 1) * (features + 2) / 6
    # the kurtosis of small samples is skewed: a wider interval keeps the level
    limit = float(norm.isf(_LEVEL / 2)) * (1 + 10 / math.sqrt(len(sample)))
    return abs(deviation) < limit and n * skewness * correction / 6 < float(chi2.isf(_LEVEL, freedom))


def _log_ratio_accepts(sample: Tensor, other: Tensor) -> bool:
    """Compare log p/q on a sample with its distribution under the fitted Gaussian, by Kolmogorov-Smirnov."""
    from scipy.special import kolmogi

    (mean, covariance), (other_mean, other_covariance) = _moments(sample), _moments(other)
    factor = torch.linalg.cholesky(covariance)

    def quadratic(points: Tensor) -> Tensor:
        own = torch.linalg.solve_triangular(factor, (points - mean).T, upper=False)
        across = torch.linalg.solve_triangular(
            torch.linalg.cholesky(other_covariance), (points - other_mean).T, upper=False
        )
        return own.square().sum(0) - across.square().sum(0)

    reference = quadratic(mean + _quasi_random_normal(_POINTS, len(mean)).to(mean) @ factor.T).sort().values
    values = quadratic(sample).sort().values
    ranks = torch.arange(len(values), dtype=torch.float64)
    below = torch.searchsorted(reference, values).double() / len(reference)
    distance = max(float((below - ranks / len(values)).abs().max()), 1 / len(values))
    return distance < float(kolmogi(_LEVEL)) * math.sqrt(1 / len(values) + 1 / len(reference))
