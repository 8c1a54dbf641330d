"""Polynomial model of a problem's signal near one observation, and the table of exact signals behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from workbench.core.lazy import torch
from workbench.refinement.weights import effective_size

if TYPE_CHECKING:
    from torch import Tensor

    class SignalProblem(Protocol):
        """A problem with the capability SIGNAL, as far as the model of the signal calls its methods."""

        def signals(self, x: Tensor) -> Tensor: ...

        def signal_numbers(self, signals: Tensor, y: Tensor) -> Tensor: ...

        def log_likelihood_of(self, numbers: Tensor, y: Tensor) -> Tensor: ...

        def log_prior(self, x: Tensor) -> Tensor: ...


#: Ridge penalty of the fit.
_RIDGE = 1e-3
#: Region in which the model is valid: squared Mahalanobis distance from the table's mean below a + b D.
_REACH = (16.0, 3.0)
#: Degrees of freedom and stretch of the Student distribution that estimates ∫ p̂, and number of its draws.
_FREEDOM, _STRETCH, _INTEGRAL = 5.0, 1.3, 40_000
#: Signals that are computed at once: a refinement can be stopped between two chunks.
_CHUNK = 500


class LocalModel:
    """The polynomial ŝ(x) of the signal, fitted to a weighted table, and the joint density p̂(x, y) by it."""

    def __init__(
        self, problem: SignalProblem, y: Tensor, x: Tensor, numbers: Tensor, weights: Tensor
    ) -> None:
        self.problem, self.y = problem, y
        self.middle = weights @ x
        deviations = x - self.middle
        covariance = (deviations * weights[:, None]).T @ deviations
        covariance = covariance + 1e-9 * torch.diag(covariance.diagonal())
        self.factor = torch.linalg.cholesky(covariance)
        terms = self._terms(self._units(x))
        design = terms * weights[:, None]
        ridge = _RIDGE * torch.eye(terms.shape[1], dtype=x.dtype)
        ridge[0, 0] = 0.0
        self.coefficients = torch.linalg.solve(design.T @ terms + ridge, design.T @ numbers)

    def _units(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.factor, (x - self.middle).T, upper=False).T

    @staticmethod
    def _terms(u: Tensor) -> Tensor:
        first, second = torch.triu_indices(u.shape[1], u.shape[1])
        return torch.cat([torch.ones(len(u), 1).to(u), u, u[:, first] * u[:, second]], 1)

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p̂(x, y) (n,), with the polynomial as signal; −∞ outside the region of the model."""
        with torch.no_grad():
            numbers = self._terms(self._units(x)) @ self.coefficients
            values = self.problem.log_likelihood_of(numbers, self.y)
            values = values + self.problem.log_prior(x)
            return torch.where(self.in_region(x), values, -math.inf)

    def in_region(self, x: Tensor) -> Tensor:
        """Return a mask (n,) of the rows of x (n, D) for which the model is valid."""
        return self.distance(x) < 1

    def distance(self, x: Tensor) -> Tensor:
        """Return the squared Mahalanobis distance (n,) from the middle, 1 at the edge of the region."""
        return self._units(x).square().sum(1) / (_REACH[0] + _REACH[1] * x.shape[1])

    def log_integral(self, generator: torch.Generator) -> tuple[float, float]:
        """Return log ∫ p̂ dx in nats, and the number of effective draws that estimate it."""
        shape = _INTEGRAL, len(self.middle)
        normal = torch.randn(*shape, generator=generator, dtype=torch.float64)
        # a chi-squared number for odd or even degrees of freedom alike: a sum of squares
        squares = torch.randn(_INTEGRAL, int(_FREEDOM), generator=generator, dtype=torch.float64).square()
        u = _STRETCH * normal * (_FREEDOM / squares.sum(1, keepdim=True)).sqrt()
        x = self.middle + u @ self.factor.T
        size, half = shape[1], 0.5 * (_FREEDOM + shape[1])
        log_density = (
            math.lgamma(half)
            - math.lgamma(0.5 * _FREEDOM)
            - 0.5 * size * math.log(_FREEDOM * math.pi * _STRETCH**2)
            - float(self.factor.diagonal().log().sum())
            - half * torch.log1p(u.square().sum(1) / (_FREEDOM * _STRETCH**2))
        )
        ratio = self.log_joint(x) - log_density
        return float(ratio.logsumexp(0)) - math.log(_INTEGRAL), effective_size(ratio)


class SignalTable:
    """Points with their exact signals as real numbers, and their exact log p(x, y)."""

    def __init__(
        self, problem: SignalProblem, y: Tensor, callback: Callable[[], None] = lambda: None
    ) -> None:
        self.problem, self.y, self._callback = problem, y, callback
        self.x = self.numbers = self.logs = torch.empty(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.x)

    def add(self, x: Tensor) -> Tensor:
        """Add the rows of x (n, D) that the prior allows; return the exact log p(x, y) of these."""
        with torch.no_grad():
            prior = self.problem.log_prior(x)
            x, prior = x[prior.isfinite()], prior[prior.isfinite()]
            if not len(x):
                return prior
            numbers = torch.cat([self._numbers(chunk) for chunk in x.split(_CHUNK)])
            logs = prior + self.problem.log_likelihood_of(numbers, self.y)
            rows = [(self.x, self.numbers, self.logs)] if len(self) else []
            rows.append((x, numbers, logs))
            self.x, self.numbers, self.logs = (torch.cat(parts) for parts in zip(*rows, strict=True))
            return logs

    def _numbers(self, x: Tensor) -> Tensor:
        self._callback()
        return self.problem.signal_numbers(self.problem.signals(x), self.y)

    def temperature(self, enough: float) -> float:
        """Return the lowest T ≥ 1 whose weights p^(1/T) leave ``enough`` points effective."""
        if effective_size(self.logs) >= enough:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if effective_size(middle * self.logs) >= enough else (low, middle)
        return 1 / max(low, 1e-9)
