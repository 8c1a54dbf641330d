"""A sum of two waves: find the points of a square at which it has a given height.

Prior:     x ~ U(-1, 1)².        Observed:  y = sin(3π x₁) + cos(3π x₂), no noise.
Posterior: over three whole periods u = sin(3π x₁) and v = cos(3π x₂) are independent with arcsine
           distributions, so that p(u | y) ∝ 1/√((1 - u²)(1 - (y - u)²)). For y > 0 put
           u = y/2 + (1 - y/2) s: then p(s | y) ∝ 1/√((1 - s²)(1 - m s²)) with √m = (1 - y/2)/(1 + y/2), whose
           distribution function is Legendre's integral of the first kind, and s = sn(K(m) t | m) with t
           uniform on (-1, 1) is an exact draw. y < 0 mirrors. Each u and each v has six preimages, which are
           equally likely.
At y = 0:  lines of equal height cross, K is infinite, and there is no posterior density.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.bounded_distributions import box_draw
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import uniform
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_WAVES = 3 * math.pi
_NEAREST = 1e-8  # to the crossing at 0, where Jacobi's functions lose their digits


@PROBLEMS.register
class SineWave(Problem):
    """Infer a point in a square from a wave's height there: the posterior is many closed lines."""

    key = "sine_wave"
    title = "Sine wave"
    summary = "A point on a square from the height of a wave: the posterior is many closed lines."
    reference = "Ren, Padilla & Malof 2020, arXiv 2009.12919, section 4 (D2)"

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", 2, low=-1.0, high=1.0)

    @property
    def y(self) -> tuple[Variable, ...]:
        return (Variable("height", "y", low=-2.0, high=2.0, description="Height of the wave."),)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.REFERENCE_POSTERIOR})

    @property
    def window(self) -> Window:
        return square(1.05)

    @property
    def observation_window(self) -> Window:
        return ((-2.2, 2.2),)

    @property
    def default_observation(self) -> tuple[float, ...]:
        return (1.0,)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return box_draw(n, 2, -1.0, 1.0, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return ((_WAVES * x[:, :1]).sin() + (_WAVES * x[:, 1:]).cos()).clamp(-2, 2)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        height = float(observation[0])
        if not _NEAREST <= abs(height) < 2:
            raise DataError(
                f"The posterior at {height} does not exist",
                expected="a height between -2 and 2 that is not 0, where lines of equal height cross",
                found=repr(height),
            )
        u = _first_wave(abs(height), n, generator) * math.copysign(1.0, height)
        v = (height - u).clamp(-1, 1)
        rising = uniform(n, generator) < 0.5
        first = torch.where(rising, u.arcsin(), math.pi - u.arcsin())
        second = v.arccos() * torch.where(uniform(n, generator) < 0.5, 1.0, -1.0)
        turns = torch.randint(3, (2, n), generator=generator).double() - 1
        angles = torch.stack([first + 2 * math.pi * turns[0], second + 2 * math.pi * turns[1]], 1)
        # back into three whole periods around zero
        return (torch.remainder(angles / _WAVES + 1, 2) - 1).contiguous()


def _first_wave(height: float, n: int, generator: torch.Generator) -> Tensor:
    """Draw u = sin(3π x₁) (n,) from its posterior given u + cos(3π x₂) = ``height`` > 0."""
    from scipy.special import ellipj, ellipkm1

    half = 0.5 * height
    complement = 4 * half / (1 + half) ** 2  # 1 - m, without cancellation
    share = 2 * uniform(n, generator) - 1
    s = ellipj((ellipkm1(complement) * share).numpy(), 1 - complement)[0]
    return (half + (1 - half) * torch.from_numpy(s)).clamp(height - 1, 1)
