"""Models with known distributions: an affine map of one number, and linear maps of several."""

import torch

from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.inference.standardisation import Standardisation
from workbench.objectives.base import Batch, Context
from workbench.problems import PROBLEMS

ALL = frozenset(
    {
        Capability.LATENT,
        Capability.EXACT_INVERSE,
        Capability.REPARAMETERISED,
        Capability.CONDITIONAL,
        Capability.UNCONDITIONAL,
    }
)


def quantiles(n):
    """The standard normal distribution as n points of equal weight (n, 1)."""
    level = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.special.ndtri(level)[:, None]


class Affine(Model):
    """x = m + s z in one dimension, with normal quantiles in the place of z."""

    def __init__(self, mean=0.3, scale=0.9):
        super().__init__(1, 0, 1, ALL | {Capability.DENSITY})
        self.mean = torch.nn.Parameter(torch.tensor(mean, dtype=torch.float64))
        self.scale = torch.nn.Parameter(torch.tensor(scale, dtype=torch.float64))

    def latent(self, x, y):
        return (x - self.mean) / self.scale, -self.scale.log().expand(len(x))

    def inverse(self, z, y):
        return self.mean + self.scale * quantiles(len(z)), self.scale.log().expand(len(z))

    def stages(self, z, y):
        return [z, self.inverse(z, y)[0]]


class Linear(Model):
    """T(x) = M x = (y, z): a network with [y, z] whose matrix is given; a larger matrix pads x with zeros."""

    def __init__(self, matrix, observed, features):
        super().__init__(features, observed, len(matrix) - observed, ALL | {Capability.FORWARD})
        self.matrix = matrix

    def _full(self, x):
        padding = x.new_zeros(len(x), len(self.matrix) - self.features)
        return torch.cat([x, padding], -1) @ self.matrix.T

    def predict(self, x):
        return self._full(x)[:, : self.context]

    def latent(self, x, y):
        return self._full(x)[:, self.context :], x.new_zeros(len(x))

    def inverse(self, z, y):
        outputs = torch.cat([y, z], -1)
        return torch.linalg.solve(self.matrix, outputs.T).T[:, : self.features], z.new_zeros(len(z))

    def stages(self, z, y):
        return [z, self.inverse(z, y)[0]]


def context(shapes=None, problem=None):
    """A loss's context in units that are standardised already."""
    shapes = shapes or Shapes(1, 0)
    return Context(problem or PROBLEMS.make("two_moons"), shapes, Standardisation(shapes))


def normal_batch(n=20_000):
    """Standard normal data as quantiles, without an observation."""
    return Batch(quantiles(n), None, 1.0)


class AnalyticCritic(torch.nn.Module):
    """A critic that is a given function of the points; it has one weight, so that an optimiser takes it."""

    def __init__(self, function):
        super().__init__()
        self.function, self.offset = function, torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, u):
        return self.function(u) + self.offset
