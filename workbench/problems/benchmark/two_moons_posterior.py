"""Two moons as an inverse problem: each posterior is a pair of thin crescents.

Prior:      x ~ U(-1, 1)².
Simulator:  a ~ U(-π/2, π/2), r ~ N(0.1, 0.01²), p = (r cos a + 1/4, r sin a),
            y = p + shift(x), shift(x) = (-|x₁ + x₂|, -x₁ + x₂)/√2.
Likelihood: with q = y - shift(x) - (1/4, 0) the density N(±|q|; 0.1, 0.01²)/(π |q|), + for q₁ > 0 and -
            otherwise; the factor 1/|q| is the polar Jacobian.
Posterior:  x -> shift(x) is a rotation followed by a fold, so that it keeps areas: p drawn forward, y - p
            unfolded with either sign and accepted if it lies in the square is an exact draw.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numpy.polynomial.hermite_e import hermegauss

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.bounded_distributions import box_draw, box_log_density
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal, uniform
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.problems.base import Window

RADIUS, THICKNESS, OFFSET = 0.1, 0.01, 0.25
_BATCH, _BATCHES = 50_000, 100


def _shift(x: Tensor) -> Tensor:
    """Return the noise-free part (n, 2) of y at ``x`` (n, 2): a rotation by 45° and a fold."""
    return torch.stack([-(x[:, 0] + x[:, 1]).abs(), x[:, 1] - x[:, 0]], 1) / math.sqrt(2)


def _crescent(n: int, generator: torch.Generator) -> Tensor:
    """Draw the crescent-shaped noise p (n, 2) on y."""
    angle = math.pi * (uniform(n, generator) - 0.5)
    radius = RADIUS + THICKNESS * normal(n, 1, generator)[:, 0]
    return torch.stack([radius * angle.cos() + OFFSET, radius * angle.sin()], 1)


@PROBLEMS.register
class TwoMoonsPosterior(Problem):
    """Two unknowns behind a fold and a crescent of noise: a posterior with two thin bent modes."""

    key = "two_moons_posterior"
    title = "Two moons, inverse problem"
    summary = "Two unknowns seen through a fold and crescent-shaped noise: the posterior is two crescents."
    reference = (
        "Greenberg, Nonnenmacher & Macke 2019, arXiv 1905.07488; Lueckmann et al. 2021, arXiv 2101.04653, T.8"
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", 2, low=-1.0, high=1.0)

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
        return square(1.05)

    @property
    def observation_window(self) -> Window:
        return ((-1.3, 0.5), (-1.5, 1.5))

    @property
    def default_observation(self) -> tuple[float, ...]:
        return (0.0, 0.0)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return box_draw(n, 2, -1.0, 1.0, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return _crescent(len(x), generator).to(x) + _shift(x)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        q = y - _shift(x) - x.new_tensor([OFFSET, 0.0])
        distance = torch.hypot(q[:, 0], q[:, 1]).clamp(min=1e-12)
        radius = torch.where(q[:, 0] > 0, distance, -distance)
        radial = -0.5 * ((radius - RADIUS) / THICKNESS).square() - math.log(
            THICKNESS * math.sqrt(2 * math.pi)
        )
        return box_log_density(x, -1.0, 1.0) + radial - (math.pi * distance).log()

    def log_evidence(self, y: Tensor) -> Tensor:
        """Return log p(y) (n,) in nats for observations (n, 2), accurate to about 1e-3; -inf if unreachable.

        Unfolding y - p has two solutions where its first component is negative, each inside the square where
        the sum of its absolute components is at most √2: p(y) is half the probability of such p.
        """
        y = self._points(y, "y", 2)
        angle = math.pi * ((torch.arange(500).to(y) + 0.5) / 500 - 0.5)
        nodes, weights = (torch.from_numpy(part).to(y) for part in hermegauss(25))
        radius, weights = RADIUS + THICKNESS * nodes, (weights / weights.sum()).repeat_interleave(500) / 500
        p = torch.stack([torch.outer(radius, angle.cos()) + OFFSET, torch.outer(radius, angle.sin())], -1)
        shares = []
        for rows in y.split(200):
            shift = rows[:, None] - p.reshape(1, -1, 2)
            inside = (shift[..., 0] <= 0) & (shift.abs().sum(-1) <= math.sqrt(2))
            shares.append(inside.to(y) @ weights)
        return (0.5 * torch.cat(shares)).log()

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        accepted_rows, count = [], 0
        for _ in range(_BATCHES):
            shift = observation - _crescent(_BATCH, generator)
            total = math.sqrt(2) * shift[:, 0] * torch.where(uniform(_BATCH, generator) < 0.5, 1.0, -1.0)
            difference = math.sqrt(2) * shift[:, 1]
            x = torch.stack([total - difference, total + difference], 1) / 2
            accepted_rows.append(x[(shift[:, 0] <= 0) & (x.abs() <= 1).all(1)])
            count += len(accepted_rows[-1])
            if count >= n:
                return torch.cat(accepted_rows)[:n].contiguous()
        raise DataError(
            f"The posterior at {observation.tolist()} cannot be drawn",
            expected="an observation that some x in the square can give",
            found=f"{count} of {n} draws in {_BATCH * _BATCHES} tries",
            suggestion="choose an observation inside the observation window",
        )
