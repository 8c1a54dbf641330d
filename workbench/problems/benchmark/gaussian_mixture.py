"""The common mean of a broad and a narrow Gaussian from one observation.

Prior:      x ~ U(-10, 10)².     Observed:  y ~ 1/2 N(x, I) + 1/2 N(x, 0.1² I), one component per draw.
Posterior:  1/2 N(y, I) + 1/2 N(y, 0.1² I) cut off at the square. To draw: choose a component in proportion
            to its mass inside the square, then draw two independent truncated normals.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.benchmark.gaussian_linear import white_log_density
from workbench.problems.bounded_distributions import (
    box_draw,
    box_log_density,
    truncated_normal_draw,
    truncated_normal_log_mass,
)
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal, uniform

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.problems.base import Window

EDGE, SCALES = 10.0, (1.0, 0.1)


@PROBLEMS.register
class GaussianMixture(Problem):
    """A mean observed with noise that is broad or narrow at random: a sharp peak on a broad one."""

    key = "gaussian_mixture"
    title = "Mean of a Gaussian mixture"
    summary = "A mean seen through broad or narrow noise: the posterior is a needle on a hill."
    reference = "Sisson, Fan & Tanaka 2007, PNAS 104; Lueckmann et al. 2021, arXiv 2101.04653, T.7"

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", 2, low=-EDGE, high=EDGE)

    @property
    def y(self) -> tuple[Variable, ...]:
        return numbered("y", "y", 2)

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
        return ((-10.5, 10.5),) * 2

    @property
    def observation_window(self) -> Window:
        return ((-12.0, 12.0),) * 2

    @property
    def default_observation(self) -> tuple[float, ...]:
        return (0.0, 0.0)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return box_draw(n, 2, -EDGE, EDGE, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        broad, narrow = SCALES
        scale = torch.where(uniform(len(x), generator) < 0.5, broad, narrow)[:, None]
        return x + (scale * normal(len(x), 2, generator)).to(x)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        both = torch.stack([white_log_density(y - x, scale) for scale in SCALES])
        return box_log_density(x, -EDGE, EDGE) + both.logsumexp(0) - torch.tensor(2.0).to(x).log()

    def log_evidence(self, y: Tensor) -> Tensor:
        """Return log p(y) (n,) in nats for observations (n, 2) from each component's mass in the square."""
        y = self._points(y, "y", 2)
        logs = torch.stack([truncated_normal_log_mass(y, scale, -EDGE, EDGE).sum(1) for scale in SCALES])
        return logs.logsumexp(0) - math.log(2 * (2 * EDGE) ** 2)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        logs = [truncated_normal_log_mass(observation, scale, -EDGE, EDGE).sum() for scale in SCALES]
        broad, narrow = (
            truncated_normal_draw(observation.expand(n, -1), scale, -EDGE, EDGE, generator)
            for scale in SCALES
        )
        chance = torch.softmax(torch.stack(logs), 0)[0]
        return torch.where((uniform(n, generator) < chance)[:, None], broad, narrow)
