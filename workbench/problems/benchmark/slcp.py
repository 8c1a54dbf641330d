"""Simple likelihood, complex posterior (SLCP): four points of a Gaussian whose parameters enter squared.

Prior:      x ~ U(-3, 3)^5.
Observed:   four independent points of N((x₁, x₂), S), S = [[s₁², ρ s₁ s₂], [ρ s₁ s₂, s₂²]] + 1e-6 I with
            s₁ = x₃², s₂ = x₄², ρ = tanh x₅; y is the four points one after the other.
Posterior:  the signs of x₃ and x₄ are not identifiable: four symmetric modes, truncated by the prior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.bounded_distributions import box_draw, box_log_density
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

EDGE, POINTS, RIDGE = 3.0, 4, 1e-6
# drawn at x = (0.7, -2.9, -1, -0.9, 0.6), the parameters of the first paper
DEFAULT = (2.24, -2.43, -1.48, -3.46, -0.38, -4.33, 1.1, -2.15)


def _factor(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the entries l₁₁, l₂₁, l₂₂ (n, 1) of the lower Cholesky factor of the covariance S of ``x``."""
    first, second = x[:, 2:3].square(), x[:, 3:4].square()
    l11 = (first.square() + RIDGE).sqrt()
    l21 = x[:, 4:].tanh() * first * second / l11
    # s₂² - l₂₁² with 1 - ρ² = 1/cosh², which does not cancel for ρ near 1
    share = (first / l11).square()
    rest = share / x[:, 4:].cosh().square() + RIDGE / l11.square()
    return l11, l21, (second.square() * rest + RIDGE).sqrt()


@PROBLEMS.register
class SimpleLikelihoodComplexPosterior(Problem):
    """Infer mean, spread and correlation of a Gaussian from four points: a posterior with four modes."""

    key = "slcp"
    title = "Simple likelihood, complex posterior"
    summary = "Five parameters of a Gaussian from four of its points: a posterior with four modes."
    reference = (
        "Papamakarios, Sterratt & Murray 2019, arXiv 1805.07226; Lueckmann et al. 2021, arXiv 2101.04653, T.3"
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", 5, low=-EDGE, high=EDGE)

    @property
    def y(self) -> tuple[Variable, ...]:
        digits = "₁₂₃₄"
        return tuple(
            Variable(f"point{i + 1}_{axis}", f"{axis}{digits[i]}") for i in range(POINTS) for axis in "ab"
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.LOG_JOINT})

    @property
    def window(self) -> Window:
        return ((-3.2, 3.2),) * 5

    @property
    def observation_window(self) -> Window:
        return ((-12.0, 12.0),) * (2 * POINTS)

    @property
    def default_observation(self) -> tuple[float, ...]:
        return DEFAULT

    def figure(self, x: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Return one-sigma ellipses of the Gaussians (n, 49, 2), and the labels of their plot."""
        l11, l21, l22 = _factor(x.double())
        angle = torch.linspace(0, 2 * math.pi, 49, dtype=torch.float64)
        first = x[:, :1] + l11 * angle.cos()
        second = x[:, 1:2] + l21 * angle.cos() + l22 * angle.sin()
        return torch.stack([first, second], -1), {
            "title": "Gaussian, one standard deviation",
            "horizontal_label": "a",
            "vertical_label": "b",
        }

    def observed_points(self, observation: Sequence[float]) -> list[tuple[float, float]]:
        """Return the four points (a, b) that make up an observation y (8,)."""
        return list(zip(observation[0::2], observation[1::2], strict=True))

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return box_draw(n, 5, -EDGE, EDGE, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        noise = normal(len(x), 2 * POINTS, generator).to(x)
        l11, l21, l22 = _factor(x)
        first = x[:, :1] + l11 * noise[:, 0::2]
        second = x[:, 1:2] + l21 * noise[:, 0::2] + l22 * noise[:, 1::2]
        return torch.stack([first, second], -1).flatten(1)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        l11, l21, l22 = _factor(x)
        first = (y[:, 0::2] - x[:, :1]) / l11
        second = (y[:, 1::2] - x[:, 1:2] - l21 * first) / l22
        squares = (first.square() + second.square()).sum(1)
        volume = POINTS * (math.log(2 * math.pi) + (l11 * l22).log()[:, 0])
        return box_log_density(x, -EDGE, EDGE) - 0.5 * squares - volume
