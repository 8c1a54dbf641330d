"""A ball thrown with air resistance: position, angle and speed of the throw from the place of impact.

Prior:     x₁ ~ N(0, 0.5²) m, x₂ = max(0, N(1.5, 0.5²)) m, x₃ ~ U(9°, 81°) in rad, x₄ ~ Poisson(15) m/s.
Flight:    with drag proportional to speed, τ = k t / m and e = exp(-τ) - 1,
           horizontal x₁ - (m/k) x₄ cos x₃ e,  vertical x₂ - g (m/k)² (A e + τ),
           A = 1 + k x₄ sin x₃ / (g m); g = 9.81 m/s², k = 0.25 kg/s, m = 0.2 kg.
Impact:    A e + τ = h with h = x₂ k²/(g m²), after the peak: τ = h + A + W(-A exp(-h - A)), W the principal
           branch of Lambert's function. Solved by Newton's method from above, which on a convex function
           converges monotonically. Autograd records the last steps, so that derivatives are exact.
Observed:  y, the horizontal position at impact, without noise.
Posterior: y = x₁ + r(x₂, x₃, x₄), so that (x₂, x₃, x₄) given y have the density prior · N(y - r; 0, 0.5²),
           and x₁ = y - r. Accepting prior draws with probability exp(-(y - r)²/(2 · 0.5²)) is exact.
Below the ground: a ball that starts there and never rises above it is assigned the place of its peak.
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

GRAVITY, DRAG, MASS = 9.81, 0.25, 0.2
PLACE_SCALE, HEIGHT_MEAN, HEIGHT_SCALE, SPEED_MEAN = 0.5, 1.5, 0.5, 15.0
STEEPNESS = (0.1 * math.pi / 2, 0.9 * math.pi / 2)
#: Newton steps without and with gradients; draws per batch of rejection sampling, and most batches.
_STEPS, _GRADIENT_STEPS = 8, 2
_BATCH, _BATCHES = 20_000, 1000


def impact_time(height: Tensor, rise: Tensor) -> Tensor:
    """Return the flight time in s (n,) from launch height in m (n,) and vertical launch speed in m/s (n,)."""
    lift = 1 + DRAG * rise / (GRAVITY * MASS)
    level = height * DRAG**2 / (GRAVITY * MASS**2)
    peak = lift.clamp(min=1.0).log()
    # height of the peak; not above the ground: the ball never crosses it on its way down
    drop = level - peak - lift * torch.expm1(-peak)
    falls = drop > 0
    level, lift, drop = (torch.where(falls, v, s) for v, s in ((level, 1.0), (lift, 1.0), (drop, 1.0)))
    with torch.no_grad():
        # for a lift below 0 the function is concave, and Newton's method climbs from the left
        log_lift = lift.clamp(min=torch.finfo(lift.dtype).tiny).log()
        depth = (level + lift - 1 - log_lift).clamp(min=0)
        tau = torch.where(lift > 0, log_lift + depth + (2 * depth).sqrt(), level.clamp(min=0))
        for _ in range(_STEPS):
            tau = _newton(tau, level, lift)
    for _ in range(_GRADIENT_STEPS):
        tau = _newton(tau, level, lift)
    return torch.where(falls, tau, peak) * MASS / DRAG


def _newton(tau: Tensor, level: Tensor, lift: Tensor) -> Tensor:
    """Return τ (n,) after one Newton step towards A (exp(-τ) - 1) + τ = h, A = ``lift``, h = ``level``."""
    fall = torch.expm1(-tau)
    slope = (1 - lift * (1 + fall)).clamp(min=1e-8)  # zero only where the peak touches the ground
    return tau - (tau - level + lift * fall) / slope


@PROBLEMS.register
class InverseBallistics(Problem):
    """Infer launch position, height, angle and speed of a ball from the place of its impact."""

    key = "inverse_ballistics"
    title = "Inverse ballistics"
    summary = "A ball thrown with air resistance: all the throws that come down at a given place."
    reference = "Kruse et al. 2021, arXiv 2101.10763, section 4.2"

    dequantised = param.Boolean(
        False,
        doc="Add a uniform number between -1/2 and 1/2 to the speed, which the published prior draws from "
        "the whole numbers of a Poisson distribution.",
    )

    whole_throws = param.Boolean(
        False,
        doc="Throw the ball with the speed rounded to a whole number. With 'dequantised', whose uniform "
        "number the rounding undoes, this is the published problem with a prior that has a density.",
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        lowest = -0.5 if self.dequantised else 0.0
        return (
            Variable("launch_place", "x₁", "m", description="Horizontal position of the launch."),
            Variable("launch_height", "x₂", "m", low=0.0, description="Height of the launch."),
            Variable("steepness", "x₃", "rad", *STEEPNESS, description="Angle of the launch to the ground."),
            Variable("speed", "x₄", "m/s", low=lowest, description="Speed of the launch."),
        )

    @property
    def y(self) -> tuple[Variable, ...]:
        return (Variable("impact_place", "y", "m", description="Horizontal position of the impact."),)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.REFERENCE_POSTERIOR})

    @property
    def window(self) -> Window:
        return ((-2.0, 2.0), (-0.2, 3.5), (0.0, math.pi / 2), (-1.0, 32.0))

    @property
    def observation_window(self) -> Window:
        return ((-1.5, 20.0),)

    @property
    def default_observation(self) -> tuple[float, ...]:
        return (5.0,)

    def flight(self, x: Tensor, points: int = 50) -> Tensor:
        """Return the flight paths (n, points, 2) of throws ``x`` (n, 4), (horizontal, vertical) in m."""
        x = self._points(x, "x", 4)
        speed = self._speed(x)
        along, rise = speed * x[:, 2].cos(), speed * x[:, 2].sin()
        share = torch.linspace(0, 1, points, dtype=x.dtype, device=x.device)
        tau = impact_time(x[:, 1], rise)[:, None] * share * DRAG / MASS
        fall, lift = torch.expm1(-tau), 1 + DRAG * rise[:, None] / (GRAVITY * MASS)
        horizontal = x[:, :1] - along[:, None] * MASS / DRAG * fall
        vertical = x[:, 1:2] - GRAVITY * (MASS / DRAG) ** 2 * (lift * fall + tau)
        return torch.stack([horizontal, vertical], -1)

    def _reach(self, x: Tensor) -> Tensor:
        """Return the horizontal distances from launch to impact in m (n,) of throws ``x`` (n, 4)."""
        speed = self._speed(x)
        time = impact_time(x[:, 1], speed * x[:, 2].sin())
        return -speed * x[:, 2].cos() * MASS / DRAG * torch.expm1(-time * DRAG / MASS)

    def _speed(self, x: Tensor) -> Tensor:
        """Return the launch speeds in m/s (n,) of ``x`` (n, 4), rounded to integers with ``whole_throws``."""
        return x[:, 3].round() if self.whole_throws else x[:, 3]

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return (x[:, 0] + self._reach(x))[:, None]

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        noise = normal(n, 2, generator)
        low, high = STEEPNESS
        steepness = low + (high - low) * uniform(n, generator)
        speed = torch.poisson(torch.full((n,), SPEED_MEAN, dtype=torch.float64), generator=generator)
        if self.dequantised:
            speed = speed + uniform(n, generator) - 0.5
        height = (HEIGHT_MEAN + HEIGHT_SCALE * noise[:, 1]).clamp(min=0)
        return torch.stack([PLACE_SCALE * noise[:, 0], height, steepness, speed], 1)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        accepted_rows, count = [], 0
        for _ in range(_BATCHES):
            x = self._prior(_BATCH, generator)
            x[:, 0] = observation[0] - self._reach(x)
            chance = torch.exp(-0.5 * (x[:, 0] / PLACE_SCALE).square())
            accepted_rows.append(x[uniform(_BATCH, generator) < chance])
            count += len(accepted_rows[-1])
            if count >= n:
                return torch.cat(accepted_rows)[:n].contiguous()
        raise DataError(
            f"The posterior at {observation.tolist()} cannot be drawn",
            expected="a place that the ball can reach",
            found=f"{count} of {n} throws in {_BATCH * _BATCHES} tries",
            suggestion="choose a place inside the observation window",
        )
