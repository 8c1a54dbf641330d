"""Residuals of a linear regression on y, whitened: uncorrelated and of unit variance.

forward   v = W (u − A c − b),  c the features of y; A and b may be learned, W is fixed
log-det   log|det W|
inverse   u = W⁻¹ v + A c + b
start     A, b by ridge regression (`workbench.nn.ridge`); W from the covariance C of the errors of fits that
          have not seen the row, without which few rows would look far too well predicted: its eigenvectors
          over the roots of its eigenvalues, the smallest first, where two errors are strongly correlated;
          otherwise the inverse Cholesky factor, which keeps the axes. Before the fit it is the identity.
Source: the inverse of this map takes standard normal numbers to the posterior of a linear Gaussian model; a
        flow of v only has to learn the deviations from such a model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import VectorTransform
from workbench.nn.ridge import fit_ridge

#: Correlation of two residuals beyond which they are whitened along eigenvectors instead of axes.
_STRONG_CORRELATION = 0.5
_RIDGE = 1e-6
#: Least share of a variance that is left by the correction for rounding.
_LEAST_SHARE = 0.3


class RegressionTransform(VectorTransform):
    """Transform v = W (u − A c − b) for given c.

    ``shift`` (n, D) or (D,) is A c + b, ``factor`` (D, D) is W, ``inverse_factor`` its inverse, and
    ``log_volume`` log|det W|.
    """

    def __init__(self, shift: Tensor, factor: Tensor, inverse_factor: Tensor, log_volume: Tensor) -> None:
        super().__init__()
        self.shift, self.factor, self.inverse_factor = shift, factor, inverse_factor
        self.log_volume = log_volume

    def shifted_to(self, shift: Tensor) -> RegressionTransform:
        """Return this transform with another shift (n, D)."""
        return RegressionTransform(shift, self.factor, self.inverse_factor, self.log_volume)

    def _call(self, u: Tensor) -> Tensor:
        return (u - self.shift) @ self.factor.mT

    def _inverse(self, v: Tensor) -> Tensor:
        return v @ self.inverse_factor.mT + self.shift

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.log_volume.expand(u.shape[:-1])


class Regression(LazyTransform):
    """Layer of whitened regression residuals, for D ``features`` and a ``context`` of C numbers (0: none).

    A and b are parameters if ``learned``, and otherwise buffers that keep the values fitted by `prepare`.
    """

    def __init__(self, features: int, context: int, *, learned: bool = True) -> None:
        super().__init__()
        kind = nn.Parameter if learned else nn.Buffer
        self.offset = kind(torch.zeros(features))
        self.slope = kind(torch.zeros(features, context)) if context else None
        self.register_buffer("factor", torch.eye(features))
        self.register_buffer("inverse_factor", torch.eye(features))
        self.register_buffer("log_volume", torch.zeros(()))

    def forward(self, c: Tensor | None = None) -> Transform:
        shift = self.offset if c is None else self.offset + c @ self.slope.mT
        return RegressionTransform(shift, self.factor, self.inverse_factor, self.log_volume)

    @torch.no_grad()
    def prepare(
        self, u: Tensor, c: Tensor | None, labels: Tensor | None = None, variance: Tensor | None = None
    ) -> Tensor:
        """Fit A and b to u (n, D) and c (n, C), and W to the errors; returns A c + b of rows not seen (n, D).

        ``labels`` (n,) number the groups of rows that belong together; None where all are independent.
        ``variance`` (D,) is that of rounding u, which W leaves out (Sheppard's correction).
        """
        fit = fit_ridge(c, u, labels)
        self.offset.copy_(fit.offset)
        if fit.slope is not None:
            self.slope.copy_(fit.slope)
        errors = u.double() - fit.unseen
        covariance = errors.T @ errors / len(errors)
        if variance is not None:
            own = covariance.diagonal()
            own.copy_(torch.maximum(own - variance.to(own), _LEAST_SHARE * own))
        covariance = covariance + _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance)).to(
            errors
        )
        factor = _whitening(covariance)
        self.factor.copy_(factor)
        self.inverse_factor.copy_(torch.linalg.inv(factor))
        self.log_volume.copy_(torch.linalg.slogdet(factor)[1])
        return fit.unseen.to(u)


def _whitening(covariance: Tensor) -> Tensor:
    """Matrix W (D, D) with W C Wᵀ = I, for a covariance matrix C."""
    scale = covariance.diagonal().sqrt()
    correlation = (covariance / scale / scale[:, None]).fill_diagonal_(0)
    if len(covariance) > 1 and float(correlation.abs().max()) > _STRONG_CORRELATION:
        values, vectors = torch.linalg.eigh(covariance)
        return (vectors / values.sqrt()).T
    return torch.linalg.inv(torch.linalg.cholesky(covariance))
