"""A problem whose posterior is known in closed form, and models of it that are exact or wrong in a known way.

Problem      y ~ N(0, I), x | y ~ N(A y ± a, Σ) with both signs equally likely: a normal posterior for a = 0,
             else one of two modes. Σ has ones on its diagonal and equal correlations outside; A explains half
             of the variance of every x.
Models       x = A y ± a + F t with t = T(ε), ε ~ N(0, I); the exact one has F Fᵀ = Σ and T the identity.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems import Problem
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal, uniform

if TYPE_CHECKING:
    from torch import Tensor

#: Correlation between any two x given y; distance of a mode from the middle, in standard deviations.
CORRELATION, SEPARATION = 0.6, 3.0
#: Share of the exact posterior in each tail that a model with doubled tails gives twice its mass.
TAIL = 0.025
#: Beyond, tail probabilities are smaller than the smallest numbers; their logarithms are those of squares.
_FAR = 30.0
#: Faults of a model, with their titles.
FAULTS = {
    "exact": "exact",
    "width": "width 0.8",
    "shift": "shift 0.3",
    "correlation": "correlation lost",
    "tails": "tails doubled",
    "mode": "mode missing",
    "ignored": "y ignored",
}


class KnownPosterior(Problem):
    """The problem of this module; not in the catalogue, since no network is trained on it."""

    key = "known_posterior"
    title = "Known posterior"
    summary = "A normal posterior, or one of two normal modes, in closed form."

    features = param.Integer(3, bounds=(1, 100), doc="Number of unknowns x.")
    observed = param.Integer(2, bounds=(1, 100), doc="Number of observed quantities y.")
    modes = param.Integer(1, bounds=(1, 2), doc="Number of modes of the posterior.")

    x = property(lambda self: numbered("x", "x", self.features))
    y = property(lambda self: numbered("y", "y", self.observed))
    default_observation = property(lambda self: (0.5,) * self.observed)
    capabilities = frozenset(
        {
            Capability.OBSERVATION,
            Capability.SIMULATE,
            Capability.REFERENCE_POSTERIOR,
            Capability.LOG_JOINT,
        }
    )

    @property
    def gain(self) -> Tensor:
        """Matrix A (D, M) with rows of length one."""
        rows = torch.randn(
            self.features, self.observed, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        return rows / rows.norm(dim=1, keepdim=True)

    @property
    def covariance(self) -> Tensor:
        """Covariance Σ (D, D) of a mode given y."""
        identity = torch.eye(self.features, dtype=torch.float64)
        return (1 - CORRELATION) * identity + CORRELATION

    @property
    def offset(self) -> Tensor:
        """Place a (D,) of the right mode relative to the middle; zero for a single mode."""
        return torch.full((self.features,), SEPARATION * (self.modes - 1), dtype=torch.float64)

    def signs(self, n: int, generator: torch.Generator | None) -> Tensor:
        """Return n random signs (n, 1)."""
        return torch.where(uniform(n, generator) < 0.5, -1.0, 1.0)[:, None].double()

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = normal(n, self.observed, generator)
        return KnownModel(self).sample(n, y, generator), y

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        gain, offset = self.gain, self.offset
        prior = self.covariance + gain @ gain.T
        factor = torch.linalg.cholesky(prior)
        parts = torch.stack([log_normal(x - sign * offset, factor) for sign in (1.0, -1.0)], 1)
        right = uniform(len(x), generator) < parts.softmax(1)[:, 0]
        offsets = x - torch.where(right, 1.0, -1.0)[:, None] * offset
        back = torch.cholesky_solve(gain, factor).T  # (M, D)
        remaining = torch.eye(self.observed, dtype=torch.float64) - back @ gain
        noise = normal(len(x), self.observed, generator) @ torch.linalg.cholesky(remaining).T
        return offsets @ back.T + noise

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        evidence = -0.5 * (y.square() + math.log(2 * math.pi)).sum(1)
        return evidence + KnownModel(self).log_prob(x, y)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        return KnownModel(self).sample(n, observation.expand(n, self.observed), generator)


class KnownModel:
    """A model of a `KnownPosterior` in the place of a trained network, with one of `FAULTS`.

    It has draws and densities, and a latent where the posterior has one mode.
    """

    def __init__(self, problem: KnownPosterior, fault: str = "exact") -> None:
        self.problem, self.fault, self.manifest = problem, fault, {}
        self.x: tuple[Variable, ...] = problem.x
        self.y: tuple[Variable, ...] = problem.y
        self.capabilities = frozenset({Capability.DENSITY, Capability.CONDITIONAL})
        if problem.modes == 1:
            self.capabilities |= {Capability.LATENT, Capability.EXACT_INVERSE}
        covariance = problem.covariance
        if fault == "ignored":
            covariance = covariance + problem.gain @ problem.gain.T
        if fault == "correlation":
            covariance = torch.diag(covariance.diagonal())
        self.factor = (0.8 if fault == "width" else 1.0) * torch.linalg.cholesky(covariance)

    def _mean(self, y: Tensor) -> Tensor:
        y = torch.as_tensor(y).double()
        gain = torch.zeros_like(self.problem.gain) if self.fault == "ignored" else self.problem.gain
        return y @ gain.T + (0.3 if self.fault == "shift" else 0.0)

    def latent(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        t = torch.linalg.solve_triangular(self.factor, (x - self._mean(y)).T, upper=False).T
        log_det = -self.factor.diagonal().log().sum().expand(len(x))
        if self.fault != "tails":
            return t, log_det
        z = normal_scores_of_tails(t)
        return z, log_det + (log_tails(t) + 0.5 * (z.square() + math.log(2 * math.pi))).sum(1)

    def inverse(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        t = tails_of_normal_scores(z.double()) if self.fault == "tails" else z.double()
        x = self._mean(y) + t @ self.factor.T
        return x, -self.latent(x, y)[1]

    def sample(self, n: int, observation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        z = normal(n, self.problem.features, generator)
        signs = 1.0 if self.fault == "mode" else self.problem.signs(n, generator)
        return self.inverse(z, observation)[0] + signs * self.problem.offset

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        signs = (1.0,) if self.fault == "mode" else (1.0, -1.0)
        parts = []
        for sign in signs:
            z, log_det = self.latent(x - sign * self.problem.offset, y)
            parts.append(log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1))
        return torch.stack(parts).logsumexp(0) - math.log(len(parts))


def log_normal(x: Tensor, factor: Tensor) -> Tensor:
    """Return the log density (n,) of N(0, F Fᵀ) at x (n, D), with the lower factor F (D, D)."""
    z = torch.linalg.solve_triangular(factor, x.T, upper=False).T
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) - factor.diagonal().log().sum()


def log_tails(t: Tensor) -> Tensor:
    """Return the log density of N(0, 1) with doubled tails, elementwise."""
    edge = torch.special.ndtri(torch.tensor(TAIL, dtype=torch.float64)).abs()
    inside = (1 - 4 * TAIL) / (1 - 2 * TAIL)
    weight = torch.where(t.abs() > edge, 2.0, inside).double()
    return weight.log() - 0.5 * (t.square() + math.log(2 * math.pi))


def tails_of_normal_scores(z: Tensor) -> Tensor:
    """Return the increasing map (elementwise) of N(0, 1) to the distribution with doubled tails."""
    lower = 0.5 * torch.special.erfc(z.abs() / math.sqrt(2))
    inside = (lower - 2 * TAIL) * (1 - 2 * TAIL) / (1 - 4 * TAIL) + TAIL
    t = -torch.special.ndtri(torch.where(lower < 2 * TAIL, lower / 2, inside))
    return z.sign() * torch.where(z.abs() > _FAR, (z.square() + 2 * math.log(2)).sqrt(), t)


def normal_scores_of_tails(t: Tensor) -> Tensor:
    """Return the inverse of `tails_of_normal_scores`."""
    lower = 0.5 * torch.special.erfc(t.abs() / math.sqrt(2))
    inside = (lower - TAIL) * (1 - 4 * TAIL) / (1 - 2 * TAIL) + 2 * TAIL
    z = -torch.special.ndtri(torch.where(lower < TAIL, 2 * lower, inside))
    return t.sign() * torch.where(t.abs() > _FAR, (t.square() - 2 * math.log(2)).abs().sqrt(), z)
