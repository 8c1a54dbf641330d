"""Posteriors that are exactly right, and the same broken in a known way, in the place of trained networks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.variable import Variable
from workbench.problems import LinearGaussian, Problem
from workbench.problems.random_numbers import normal, uniform

ALL = frozenset({Capability.DENSITY, Capability.LATENT, Capability.CONDITIONAL, Capability.EXACT_INVERSE})


class GaussianStandIn:
    """x = K y + shift · sd + width · L z: exact for width 1 and shift 0."""

    def __init__(self, problem: LinearGaussian, *, width: float = 1.0, shift: float = 0.0, blur: float = 0.0):
        self.x, self.y, self.capabilities, self.manifest = problem.x, problem.y, ALL, {}
        _, covariance = problem.posterior_moments([0.0] * len(problem.y))
        self.gain = problem.parts.gain
        self.offset = shift * covariance.diagonal().sqrt()
        self.factor = width * torch.linalg.cholesky(covariance)
        self.blur = blur  # what the inverse misses by

    def _mean(self, y) -> Tensor:
        return torch.as_tensor(y).double() @ self.gain.T + self.offset

    def latent(self, x, y) -> tuple[Tensor, Tensor]:
        z = torch.linalg.solve_triangular(self.factor, (x - self._mean(y)).T, upper=False).T
        return z, -self.factor.diagonal().log().sum().expand(len(x))

    def inverse(self, z, y) -> tuple[Tensor, Tensor]:
        x = self._mean(y) + z.double() @ self.factor.T + self.blur
        return x, self.factor.diagonal().log().sum().expand(len(z))

    def log_prob(self, x, y) -> Tensor:
        z, log_det = self.latent(x, y)
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1) + log_det

    def sample(self, n: int, observation=None, generator=None) -> Tensor:
        return self.inverse(normal(n, len(self.x), generator), observation)[0]


class TwoSided(Problem):
    """x₁ = ±r with r = 2 + 0.3 ε, x₂ ~ N(0, 1), y = r + 0.2 ε': two modes that y cannot tell apart."""

    key, title, summary = "two_sided", "Two-sided", "Two modes."
    centre, spread, noise = 2.0, 0.3, 0.2

    @property
    def x(self):
        return (Variable("x1"), Variable("x2"))

    @property
    def y(self):
        return (Variable("y1"),)

    @property
    def capabilities(self):
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.REFERENCE_POSTERIOR})

    def _draw(self, n, generator):
        side = torch.where(uniform(n, generator) < 0.5, -1.0, 1.0)
        r = self.centre + self.spread * normal(n, 1, generator)[:, 0]
        x = torch.stack([side * r, normal(n, 1, generator)[:, 0]], 1)
        return x, self._simulate(x, generator)

    def _simulate(self, x, generator):
        return x[:, :1].abs() + self.noise * normal(len(x), 1, generator)

    def moments(self, y) -> tuple[Tensor, float]:
        precision = self.spread**-2 + self.noise**-2
        return (self.centre * self.spread**-2 + y[:, 0] * self.noise**-2) / precision, precision**-0.5

    def _reference_posterior(self, observation, n, generator):
        return TwoSidedStandIn(self).sample(n, observation.expand(n, 1), generator)


class TwoSidedStandIn:
    """Draws of the exact posterior; ``right`` is the share of the positive mode (1: the other is missing)."""

    def __init__(self, problem: TwoSided, right: float = 0.5):
        self.x, self.y, self.manifest = problem.x, problem.y, {}
        self.capabilities = frozenset({Capability.DENSITY, Capability.CONDITIONAL})
        self.moments, self.right = problem.moments, right

    def sample(self, n: int, observation=None, generator=None) -> Tensor:
        mean, scale = self.moments(torch.as_tensor(observation).double().expand(n, 1))
        side = torch.where(uniform(n, generator) < self.right, 1.0, -1.0)
        r = mean + scale * normal(n, 1, generator)[:, 0]
        return torch.stack([side * r, normal(n, 1, generator)[:, 0]], 1)

    def log_prob(self, x, y) -> Tensor:
        mean, scale = self.moments(y)
        components = [-0.5 * ((x[:, 0] - s * mean) / scale).square() - math.log(scale) for s in (1.0, -1.0)]
        shares = torch.tensor([self.right, 1 - self.right]).double().log()
        sides = torch.logsumexp(torch.stack(components) + shares[:, None], 0)
        return sides - 0.5 * x[:, 1].square() - math.log(2 * math.pi)


def linear() -> LinearGaussian:
    return LinearGaussian(features=3, observations=1, noise=0.5)
