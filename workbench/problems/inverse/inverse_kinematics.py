"""A planar arm on a vertical rail: rail height and joint angles from the position of the hand.

Prior:    x₁ ~ N(0, 0.25²) m, x₂, x₃, x₄ ~ N(0, 0.5²) rad; links l = (0.5, 0.5, 1) m.
Forward:  y = (Σ lᵢ cos aᵢ, x₁ + Σ lᵢ sin aᵢ) = (horizontal, vertical), no noise; absolute angles
          code:   a = (x₂, x₂ + x₃, x₂ + x₃ + x₄)      (the authors' released program)
          paper:  a = (x₂, x₃ - x₂, x₄ - x₃ - x₂)      (their printed formula; not a relabelling of the other)
Posterior: on the surface f(x) = y the density is prior(x) / √det(J Jᵀ) in surface measure (co-area formula).
Sampler:  chart j leaves joint angle j and the rail free to be solved for. With the others fixed the
          horizontal is C + R cos(θ + δ), so θ = -δ ± arccos((h - C)/R), two elbow branches, and x₁ follows
          from the vertical. A chart that draws the others from the prior has the surface density
          prior(others) |∂h/∂θⱼ| / √det(J Jᵀ) / 2. An even mixture of the three charts gives the weight
          1 / Σⱼ |∂h/∂θⱼ| / prior(θⱼ, x₁): where one chart folds another does not, so the weight is bounded,
          and rejection makes the draws exact and independent. No tolerance is involved.
Left out: angles beyond half a turn, to which the prior gives a probability of 1e-9.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.random_numbers import normal, uniform

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

LINKS = (0.5, 0.5, 1.0)
PRIOR_SCALES = (0.25, 0.5, 0.5, 0.5)
_BATCH, _BATCHES = 20_000, 800


@PROBLEMS.register
class InverseKinematics(Problem):
    """Infer rail height and three joint angles of an arm from the position of its hand."""

    key = "inverse_kinematics"
    title = "Inverse kinematics"
    summary = "An arm with three joints on a rail: all the poses that bring its hand to a given point."
    reference = "Kruse et al. 2021, arXiv 2101.10763, section 4.1; Ardizzone et al. 2019, arXiv 1808.04730"

    convention = param.Selector(
        default="code",
        objects=["code", "paper"],
        doc="How joint angles add up: as in the authors' released program, or as printed in the paper.",
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        return (
            Variable("rail_height", "x₁", "m", description="Height of the arm's base on its rail."),
            *(
                Variable(f"joint_{i}", s, "rad", description=f"Angle of joint {i}.")
                for i, s in enumerate(("x₂", "x₃", "x₄"), 1)
            ),
        )

    @property
    def y(self) -> tuple[Variable, ...]:
        return (
            Variable("horizontal", "y₁", "m", description="Horizontal position of the hand."),
            Variable("vertical", "y₂", "m", description="Vertical position of the hand."),
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.REFERENCE_POSTERIOR})

    @property
    def window(self) -> Window:
        return tuple((-4 * s, 4 * s) for s in PRIOR_SCALES)

    @property
    def observation_window(self) -> Window:
        return ((-0.35, 2.25), (-2.6, 2.6))

    @property
    def arm_window(self) -> Window:
        """Plot limits (low, high) in m, horizontal and vertical, for drawings of the arm in its plane."""
        return ((-0.35, 2.25), (-1.3, 1.3))

    @property
    def default_observation(self) -> tuple[float, ...]:
        return (1.5, 0.0)

    def arm(self, x: Tensor) -> Tensor:
        """Return (horizontal, vertical) in m of base, joints and hand (n, 4, 2) at poses ``x`` (n, 4)."""
        x = self._points(x, "x", 4)
        angles = self._angles(x)
        steps = torch.stack([angles.cos(), angles.sin()], -1) * x.new_tensor(LINKS)[:, None]
        base = torch.stack([torch.zeros_like(x[:, 0]), x[:, 0]], -1)
        return torch.cat([base[:, None], base[:, None] + steps.cumsum(1)], 1)

    def _angles(self, x: Tensor) -> Tensor:
        """Return the angles of the three links to the horizontal in rad (n, 3) for poses ``x`` (n, 4)."""
        first, second, third = x[:, 1], x[:, 2], x[:, 3]
        if self.convention == "code":
            return torch.stack([first, first + second, first + second + third], 1)
        return torch.stack([first, second - first, third - second - first], 1)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        angles, links = self._angles(x), x.new_tensor(LINKS)
        return torch.stack([(links * angles.cos()).sum(1), x[:, 0] + (links * angles.sin()).sum(1)], 1)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return normal(n, 4, generator) * torch.tensor(PRIOR_SCALES, dtype=torch.float64)

    # the exact posterior --------------------------------------------------------------------------------
    def _wave(self, x: Tensor, joint: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return C, R, δ (n,): the hand's horizontal is C + R cos(θ + δ) as a function of θ = x[:, joint]."""
        values = []
        for theta in (0.0, math.pi / 2, math.pi):
            pose = x.clone()
            pose[:, joint] = theta
            values.append((x.new_tensor(LINKS) * self._angles(pose).cos()).sum(1))
        middle, cosine = 0.5 * (values[0] + values[2]), 0.5 * (values[0] - values[2])
        sine = middle - values[1]
        return middle, torch.hypot(cosine, sine), torch.atan2(sine, cosine)

    def _candidates(self, observation: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw poses (m, 4), m <= n, whose hand is at the observed place, from a mixture of three charts.

        Returns the poses and their weights (m,), posterior over proposal density up to a constant.
        """
        x = self._prior(n, generator)
        branch = torch.where(uniform(n, generator) < 0.5, 1.0, -1.0).double()
        # a random chart for each row, not one in blocks: the first n accepted rows must be a fair sample
        chart = torch.randint(1, 4, (n,), generator=generator)
        for joint in (1, 2, 3):
            rows = (chart == joint).nonzero()[:, 0]
            middle, radius, phase = self._wave(x[rows], joint)
            ratio = (observation[0] - middle) / radius
            angle = torch.where(
                ratio.abs() <= 1, branch[rows] * ratio.clamp(-1, 1).arccos() - phase, torch.nan
            )
            x[rows, joint] = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
        x = x[x.isfinite().all(1)]
        x[:, 0] = 0.0
        x[:, 0] = observation[1] - self._simulate(x, generator)[:, 1]
        return x, self._weights(x)

    def _weights(self, x: Tensor) -> Tensor:
        """Return posterior density over proposal density (m,), up to a constant, at poses ``x`` (m, 4)."""
        scales = x.new_tensor(PRIOR_SCALES)
        logs = -0.5 * (x / scales).square()
        total = torch.zeros_like(x[:, 0])
        for joint in (1, 2, 3):
            _, radius, phase = self._wave(x, joint)
            slope = radius * (x[:, joint] + phase).sin().abs()
            total = total + slope * (-logs[:, joint] - logs[:, 0]).exp()
        return total.reciprocal()

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        poses, ratios, bound, count = [], [], 0.0, 0
        for _ in range(_BATCHES):
            x, weight = self._candidates(observation, _BATCH, generator)
            level = uniform(len(x), generator)
            if len(x):
                bound = max(bound, float(weight.max()))
            accept = level * bound < weight
            poses.append(x[accept])
            ratios.append((weight / level.clamp(min=1e-300))[accept])
            # a larger bound thins earlier draws by the same rule, so that all are accepted under one bound
            count = sum(int((r > bound).sum()) for r in ratios)
            if count >= n:
                return torch.cat([p[r > bound] for p, r in zip(poses, ratios, strict=True)])[:n].contiguous()
        raise DataError(
            f"The posterior at {observation.tolist()} cannot be drawn",
            expected="a point that the arm can reach",
            found=f"{count} of {n} poses in {_BATCH * _BATCHES} tries",
            suggestion="choose a point inside the observation window",
        )
