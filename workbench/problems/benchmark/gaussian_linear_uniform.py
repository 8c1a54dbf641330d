"""The mean of a Gaussian from one observation, with a uniform prior: the posterior has sharp edges.

Prior:      x ~ U(-1, 1)^D.      Observed:  y ~ N(x, 0.1 I), 0.1 a variance.
Posterior:  N(y, 0.1 I) cut off at the faces of the cube; its components are independent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.benchmark.gaussian_linear import VARIANCE, spread_out, white_log_density
from workbench.problems.bounded_distributions import (
    box_draw,
    box_log_density,
    truncated_normal_draw,
    truncated_normal_log_mass,
)
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.problems.base import Window

_SCALE = math.sqrt(VARIANCE)


@PROBLEMS.register
class GaussianLinearUniform(Problem):
    """Infer the mean of a Gaussian under a uniform prior on a cube, in 1 to 32 dimensions."""

    key = "gaussian_linear_uniform"
    title = "Gaussian mean, uniform prior"
    summary = "The mean of a Gaussian that lies in a cube: the posterior is a Gaussian cut off at the faces."
    reference = "Lueckmann et al. 2021, arXiv 2101.04653, T.2"

    features = param.Integer(10, bounds=(1, 32), doc="Number of unknowns, and of observed numbers.")

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", self.features, low=-1.0, high=1.0)

    @property
    def y(self) -> tuple[Variable, ...]:
        return numbered("y", "y", self.features)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset(
            {
                Capability.OBSERVATION,
                Capability.SIMULATE,
                Capability.LOG_JOINT,
                Capability.REFERENCE_POSTERIOR,
            }
        )

    @property
    def window(self) -> Window:
        return ((-1.1, 1.1),) * self.features

    @property
    def observation_window(self) -> Window:
        return ((-2.0, 2.0),) * self.features

    @property
    def default_observation(self) -> tuple[float, ...]:
        return spread_out(self.features, 1.2)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return box_draw(n, self.features, -1.0, 1.0, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x + _SCALE * normal(len(x), self.features, generator).to(x)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        return box_log_density(x, -1.0, 1.0) + white_log_density(y - x, _SCALE)

    def log_evidence(self, y: Tensor) -> Tensor:
        """Return log p(y) (n,) in nats for observations (n, M)."""
        y = self._points(y, "y", self.features)
        return truncated_normal_log_mass(y, _SCALE, -1.0, 1.0).sum(1) - self.features * math.log(2.0)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        return truncated_normal_draw(observation.expand(n, -1), _SCALE, -1.0, 1.0, generator)
