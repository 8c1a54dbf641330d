"""The linear inverse problem with a Gaussian prior, whose posterior is known in closed form.

Prior:      X ~ N(0, Σ), X in R^D.                Observation:  Y = A X + σ ε, ε ~ N(0, I), Y in R^M, M < D.
Posterior:  N(K y, Σ - K A Σ) with V = A Σ Aᵀ + σ² I and K = Σ Aᵀ V⁻¹.
Realising map (σ = 0): T*(x) = (A x, B x) with B Σ Aᵀ = 0 and B Σ Bᵀ = I sends X to (Y, Z), Z ~ N(0, I)
independent of Y; its inverse is (y, z) -> K y + L z with L = Σ Bᵀ and L Lᵀ = Σ - K A Σ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import param

from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.problems.base import Window


@dataclass(frozen=True)
class LinearGaussianParts:
    """Prior covariance Σ (D, D), its Cholesky factor, A (M, D), V = cov(y) and gain K (D, M), float64."""

    covariance: Tensor
    factor: Tensor
    operator: Tensor
    evidence: Tensor
    gain: Tensor


@lru_cache(maxsize=16)
def _parts(features: int, observations: int, noise: float, seed: int) -> LinearGaussianParts:
    generator = torch.Generator().manual_seed(seed)
    rotation, _ = torch.linalg.qr(normal(features, features, generator))
    # variances from 1/2 to 2: correlated, yet well conditioned for any seed
    spread = torch.linspace(math.log(0.5), math.log(2.0), features, dtype=torch.float64).exp()
    covariance = rotation @ torch.diag(spread) @ rotation.T
    # orthonormal rows, so that no observation repeats another
    operator = torch.linalg.qr(normal(features, observations, generator))[0].T.contiguous()
    evidence = operator @ covariance @ operator.T + noise**2 * torch.eye(observations, dtype=torch.float64)
    gain = torch.linalg.solve(evidence, operator @ covariance).T
    return LinearGaussianParts(covariance, torch.linalg.cholesky(covariance), operator, evidence, gain)


def _gaussian_log_density(residual: Tensor, covariance: Tensor) -> Tensor:
    """Return log N(residual; 0, covariance) in nats: (n, d) -> (n,)."""
    factor = torch.linalg.cholesky(covariance).to(residual)
    white = torch.linalg.solve_triangular(factor, residual.T, upper=False)
    return (
        -0.5 * (white.square().sum(0) + len(covariance) * math.log(2 * math.pi))
        - factor.diagonal().log().sum()
    )


@PROBLEMS.register
class LinearGaussian(Problem):
    """A Gaussian vector observed through a wide matrix: the posterior is Gaussian and known exactly."""

    key = "linear_gaussian"
    title = "Linear Gaussian"
    summary = "A Gaussian vector seen through a matrix: posterior and exact network in closed form."
    reference = (
        "Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, appendix A.2 (conditioning)"
    )

    features = param.Integer(3, bounds=(2, 32), doc="Number D of unknowns x.")
    observations = param.Integer(
        1, bounds=(1, 31), doc="Number M of observed numbers y; must be smaller than D."
    )
    noise = param.Number(
        0.0, bounds=(0.0, 2.0), doc="Standard deviation of the noise on y; 0 observes A x exactly."
    )
    matrix_seed = param.Integer(
        0, bounds=(0, 2**31 - 1), doc="Seed of the prior covariance and of the matrix A."
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", self.features)

    @property
    def y(self) -> tuple[Variable, ...]:
        return numbered("y", "y", self.observations)

    @property
    def capabilities(self) -> frozenset[Capability]:
        always = {Capability.OBSERVATION, Capability.SIMULATE, Capability.REFERENCE_POSTERIOR}
        return frozenset(
            always | ({Capability.LOG_JOINT, Capability.FULL_SUPPORT} if self.noise > 0 else set())
        )

    @property
    def window(self) -> Window:
        return tuple((-3.5 * s, 3.5 * s) for s in self.parts.covariance.diagonal().sqrt().tolist())

    @property
    def observation_window(self) -> Window:
        return tuple((-3.5 * s, 3.5 * s) for s in self.parts.evidence.diagonal().sqrt().tolist())

    @property
    def default_observation(self) -> tuple[float, ...]:
        return (1.0,) * self.observations

    def refusals(self) -> list[str]:
        if self.observations < self.features:
            return []
        return [
            f"'{self.key}' needs fewer observations than features ({self.observations}, {self.features})."
        ]

    @property
    def parts(self) -> LinearGaussianParts:
        """Prior covariance, A, V and K for the present settings; raises `DataError` unless M < D."""
        self._ready()
        return _parts(self.features, self.observations, float(self.noise), self.matrix_seed)

    def posterior_moments(self, observation: Any) -> tuple[Tensor, Tensor]:
        """Return mean (D,) and covariance (D, D; rank D - M without noise) of p(x | observation (M,))."""
        p, y = self.parts, self.checked_observation(observation)
        covariance = p.covariance - p.gain @ p.operator @ p.covariance
        return p.gain @ y, 0.5 * (covariance + covariance.T)

    def log_evidence(self, y: Tensor) -> Tensor:
        """Return log p(y) (n,) in nats for observations (n, M)."""
        return _gaussian_log_density(self._points(y, "y", len(self.y)), self.parts.evidence)

    def realising_map(self) -> Tensor:
        """Return the matrix [A; B] (D, D) of T*: x -> (y, z), with z ~ N(0, I) independent of y.

        Raises `IncompatibleError` for noise above 0.
        """
        if self.noise > 0:
            raise IncompatibleError(
                "An exact map from x to (y, z) exists only without noise", found=f"noise={self.noise}"
            )
        p = self.parts
        # the rows of Nᵀ span the null space of A S (Σ = S Sᵀ); then B = Nᵀ S⁻¹
        null_space = torch.linalg.svd(p.operator @ p.factor, full_matrices=True).Vh[self.observations :]
        return torch.cat(
            [p.operator, torch.linalg.solve_triangular(p.factor, null_space, upper=False, left=False)]
        )

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return normal(n, self.features, generator) @ self.parts.factor.T

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        y = x @ self.parts.operator.to(x).T
        return y + self.noise * normal(len(x), self.observations, generator).to(x) if self.noise > 0 else y

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        p, identity = self.parts, torch.eye(self.observations, dtype=torch.float64)
        residual = y - x @ p.operator.to(x).T
        return _gaussian_log_density(x, p.covariance) + _gaussian_log_density(
            residual, self.noise**2 * identity
        )

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        mean, covariance = self.posterior_moments(observation)
        variances, directions = torch.linalg.eigh(covariance)
        if self.noise == 0:
            variances[: self.observations] = 0.0  # the directions that y fixes; eigh sorts upwards
        return mean + (normal(n, self.features, generator) * variances.clamp(min=0).sqrt()) @ directions.T
