"""The mean of a Gaussian from one observation, with a Gaussian prior: the easiest task of the benchmark.

Prior:      x ~ N(0, 0.1 I).     Observed:  y ~ N(x, 0.1 I).     Both 0.1 are variances.
Posterior:  N(y/2, 0.05 I).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.problems.base import Window

VARIANCE = 0.1
_SCALE = math.sqrt(VARIANCE)


def white_log_density(residual: Tensor, scale: float) -> Tensor:
    """Return log N(residual; 0, scale² I) in nats: (n, d) -> (n,)."""
    constant = residual.shape[1] * math.log(scale * math.sqrt(2 * math.pi))
    return -0.5 * (residual / scale).square().sum(1) - constant


def spread_out(count: int, high: float = 0.5) -> tuple[float, ...]:
    """Return ``count`` evenly spaced numbers from -``high`` to ``high``, used as a default observation."""
    return tuple(round(-high + 2 * high * i / max(count - 1, 1), 3) for i in range(count))


@PROBLEMS.register
class GaussianLinear(Problem):
    """Infer the mean of a Gaussian under a Gaussian prior, in 1 to 32 dimensions."""

    key = "gaussian_linear"
    title = "Gaussian mean, Gaussian prior"
    summary = "The mean of a Gaussian from one noisy observation: the posterior is Gaussian."
    reference = "Lueckmann et al. 2021, arXiv 2101.04653, T.1"

    features = param.Integer(10, bounds=(1, 32), doc="Number of unknowns, and of observed numbers.")

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", self.features)

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
                Capability.FULL_SUPPORT,
                Capability.REFERENCE_POSTERIOR,
            }
        )

    @property
    def window(self) -> Window:
        return ((-1.2, 1.2),) * self.features

    @property
    def observation_window(self) -> Window:
        return ((-1.7, 1.7),) * self.features

    @property
    def default_observation(self) -> tuple[float, ...]:
        return spread_out(self.features)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return _SCALE * normal(n, self.features, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x + _SCALE * normal(len(x), self.features, generator).to(x)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        return white_log_density(x, _SCALE) + white_log_density(y - x, _SCALE)

    def log_evidence(self, y: Tensor) -> Tensor:
        """Return log p(y) (n,) in nats for observations (n, M)."""
        return white_log_density(self._points(y, "y", len(self.y)), _SCALE * math.sqrt(2))

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        return observation / 2 + _SCALE / math.sqrt(2) * normal(n, self.features, generator)
