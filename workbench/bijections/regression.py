"""Residuals of a linear regression on y, whitened: uncorrelated and of unit variance.

forward   v = W e^{−s} (u − A c − b),  c the features of y; A and b may be learned, W is fixed
log-det   log|det W| − Σ s
inverse   u = e^s W⁻¹ v + A c + b
scale     s = 0, or on request s = S c + t for each component, within its range in the data: A, b, S, t by
          maximum likelihood, normal residuals whose scale depends on y (Harvey 1976). It is used where
          held-out data are more likely by a tenth of a nat and three standard errors
start     A, b by least squares; W from the covariance C of the residuals: its eigenvectors over the roots of
          its eigenvalues, the smallest first, where two residuals are strongly correlated; otherwise the
          inverse Cholesky factor, which keeps the axes. Before the fit it is the identity.
Source: the inverse of this map takes standard normal numbers to the posterior of a linear Gaussian model; a
        flow of v only has to learn the deviations from such a model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import VectorTransform

#: Correlation of two residuals beyond which they are whitened along eigenvectors instead of axes.
_STRONG_CORRELATION = 0.5
_RIDGE = 1e-6
#: Fit of the scale: share of held-out rows, fewest rows for each feature of y, most rows, iterations of
#: L-BFGS, ridge, and the gain in nats and in standard errors from which on it is used.
_HELD_OUT, _ROWS_EACH, _MOST_ROWS, _ITERATIONS, _SHRINKAGE = 0.25, 10, 20_000, 80, 1e-3
_LEAST_GAIN, _ERRORS = 0.1, 3.0
#: The range of s: without this share of the data on both sides, and at most this above the common scale.
_TAIL, _ABOVE = 0.005, 0.7


class RegressionTransform(VectorTransform):
    """Transform v = W e^{−s} (u − A c − b) for given c.

    ``shift`` (n, D) or (D,) is A c + b, ``factor`` (D, D) is W, ``inverse_factor`` its inverse, ``scale``
    (n, D) is e^s, or None where it is one, and ``log_volume`` (n,) or () is log|det W| − Σ s.
    """

    def __init__(
        self,
        shift: Tensor,
        factor: Tensor,
        inverse_factor: Tensor,
        log_volume: Tensor,
        scale: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.shift, self.factor, self.inverse_factor = shift, factor, inverse_factor
        self.log_volume, self.scale = log_volume, scale

    def _call(self, u: Tensor) -> Tensor:
        residual = u - self.shift
        return (residual if self.scale is None else residual / self.scale) @ self.factor.mT

    def _inverse(self, v: Tensor) -> Tensor:
        residual = v @ self.inverse_factor.mT
        return (residual if self.scale is None else residual * self.scale) + self.shift

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.log_volume.expand(u.shape[:-1])


class Regression(LazyTransform):
    """Layer of whitened regression residuals, for D ``features`` and a ``context`` of C numbers (0: none).

    A and b are parameters if ``learned``, and otherwise buffers that keep the values fitted by `prepare`.
    With ``scaled`` residuals `prepare` also fits their scale as a function of y.
    """

    def __init__(self, features: int, context: int, *, learned: bool = True, scaled: bool = False) -> None:
        super().__init__()
        self.scaled = scaled and context > 0
        kind = nn.Parameter if learned else nn.Buffer
        self.offset = kind(torch.zeros(features))
        self.slope = kind(torch.zeros(features, context)) if context else None
        self.register_buffer("factor", torch.eye(features))
        self.register_buffer("inverse_factor", torch.eye(features))
        self.register_buffer("log_volume", torch.zeros(()))
        self.has_scale = False  # a Python bool: a traced graph holds one branch only
        if self.scaled:
            self.register_buffer("scale_offset", torch.zeros(features))
            self.register_buffer("scale_slope", torch.zeros(features, context))
            self.register_buffer("scale_range", torch.zeros(2, features))

    def _load_from_state_dict(self, state: dict, prefix: str, *args, **settings) -> None:
        if self.scaled and prefix + "scale_range" not in state:  # stored by a version without scales
            for name in ("scale_offset", "scale_slope", "scale_range"):
                state[prefix + name] = torch.zeros_like(getattr(self, name))
        super()._load_from_state_dict(state, prefix, *args, **settings)
        self.has_scale = self.scaled and bool((self.scale_range != 0).any())

    def forward(self, c: Tensor | None = None) -> Transform:
        shift = self.offset if c is None else self.offset + c @ self.slope.mT
        parts = (shift, self.factor, self.inverse_factor)
        if not self.has_scale:
            return RegressionTransform(*parts, self.log_volume)
        logs = self.scale_offset + c @ self.scale_slope.mT
        logs = torch.minimum(torch.maximum(logs, self.scale_range[0]), self.scale_range[1])
        return RegressionTransform(*parts, self.log_volume - logs.sum(-1), logs.exp())

    @torch.no_grad()
    def prepare(self, u: Tensor, c: Tensor | None) -> None:
        """Fit A and b to u (n, D) and c (n, C), S and t if residuals are scaled, and W to the residuals."""
        rows, ones = u.double(), torch.ones(len(u), 1, dtype=torch.float64, device=u.device)
        design = ones if c is None else torch.cat([c.double(), ones], 1)
        gram = design.T @ design / len(rows) + _RIDGE * torch.eye(design.shape[1]).to(design)
        coefficients = torch.linalg.solve(gram, design.T @ rows / len(rows))
        scale = self._fit_scale(design, rows, coefficients) if self.scaled else None
        if scale is not None:
            coefficients, logs = scale
        residual = rows - design @ coefficients
        if scale is not None:
            residual = residual / logs.exp()
        self.offset.copy_(coefficients[-1])
        if c is not None:
            self.slope.copy_(coefficients[:-1].T)
        covariance = residual.T @ residual / len(rows)
        covariance = covariance + _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance)).to(rows)
        factor = _whitening(covariance)
        self.factor.copy_(factor)
        self.inverse_factor.copy_(torch.linalg.inv(factor))
        self.log_volume.copy_(torch.linalg.slogdet(factor)[1])

    def _fit_scale(self, design: Tensor, u: Tensor, start: Tensor) -> tuple[Tensor, Tensor] | None:
        """Fit and store S and t; return coefficients (C + 1, D) of A and b, and log-scales s (n, D).

        ``start`` (C + 1, D) are the coefficients of least squares. Returns None, and stores no scale, where
        held-out rows do not gain.
        """
        self.has_scale = False
        self.scale_range.zero_()
        held_out = int(_HELD_OUT * len(u))
        if len(u) - held_out < _ROWS_EACH * design.shape[1]:
            return None
        rows = slice(held_out, held_out + _MOST_ROWS)
        unit = (u - design @ start).square().mean(0).sqrt().clamp(min=1e-12)
        fit = _fit_normal(design[rows], u[rows], start, unit)
        tests = [
            _log_density(design[:held_out], u[:held_out], *f) for f in (fit, (start, _constant(start, unit)))
        ]
        gain = tests[0] - tests[1]
        least = max(_LEAST_GAIN, _ERRORS * float(gain.std()) / held_out**0.5)
        if not float(gain.mean()) > least:
            return None
        coefficients, scale = _fit_normal(design[:_MOST_ROWS], u[:_MOST_ROWS], start, unit)
        logs = design @ scale
        # an observation far out must not stretch residuals beyond what the data as a whole show
        low, high = (torch.quantile(logs[:_MOST_ROWS], level, 0) for level in (_TAIL, 1 - _TAIL))
        high = torch.maximum(torch.minimum(high, unit.log() + _ABOVE), low)
        logs = torch.minimum(torch.maximum(logs, low), high)
        self.scale_offset.copy_(scale[-1])
        self.scale_slope.copy_(scale[:-1].T)
        self.scale_range.copy_(torch.stack([low, high]))
        self.has_scale = True
        return coefficients, logs


def _constant(start: Tensor, unit: Tensor) -> Tensor:
    """Return coefficients (C + 1, D) of a log-scale that does not depend on y."""
    scale = torch.zeros_like(start)
    scale[-1] = unit.log()
    return scale


def _log_density(design: Tensor, u: Tensor, coefficients: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density (n,) of u (n, D), up to a constant, for independent normal residuals."""
    logs = design @ scale
    return (-0.5 * ((u - design @ coefficients) * (-logs).exp()).square() - logs).sum(1)


def _fit_normal(design: Tensor, u: Tensor, start: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Maximise `_log_density` by L-BFGS; return coefficients (C + 1, D) of means and of log-scales."""
    move, bend = (torch.zeros(start.shape).to(start).requires_grad_() for _ in range(2))
    constant = _constant(start, unit)
    search = torch.optim.LBFGS([move, bend], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        loss = -_log_density(design, u, start + move * unit, constant + bend).mean()
        loss = loss + _SHRINKAGE * (bend[:-1].square().sum() + move.square().sum())
        loss.backward()
        return loss

    with torch.enable_grad():
        search.step(closure)
    return (start + move * unit).detach(), (constant + bend).detach()


def _whitening(covariance: Tensor) -> Tensor:
    """Matrix W (D, D) with W C Wᵀ = I, for a covariance matrix C."""
    scale = covariance.diagonal().sqrt()
    correlation = (covariance / scale / scale[:, None]).fill_diagonal_(0)
    if len(covariance) > 1 and float(correlation.abs().max()) > _STRONG_CORRELATION:
        values, vectors = torch.linalg.eigh(covariance)
        return (vectors / values.sqrt()).T
    return torch.linalg.inv(torch.linalg.cholesky(covariance))
