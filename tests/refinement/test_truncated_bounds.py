"""Truncated refinement where draws of the prior are too rare: resampled draws stay within its bounds."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.core.capability import Capability
from workbench.core.variable import Variable
from workbench.problems.base import Problem
from workbench.refinement import REFINEMENT
from workbench.refinement.truncated import _Region


class Beside(Problem):
    """A uniform prior on (0, 1)², whose posterior lies in its corner."""

    key, title = "beside", "Beside"
    x = (Variable("a", low=0.0, high=1.0), Variable("b", low=0.0, high=1.0))
    capabilities = frozenset({Capability.LOG_PRIOR, Capability.OBSERVATION, Capability.SIMULATE})

    def _prior(self, n, generator):
        return torch.rand(n, 2, generator=generator, dtype=torch.float64)

    def _log_prior(self, x):
        inside = ((x >= 0) & (x <= 1)).all(1)
        return torch.where(inside, 0.0, -torch.inf).double()


class Corner:
    """A network whose draws are half normal in the corner, of widths 0.001; some lie outside the bounds."""

    width = 1e-3

    def draw(self, n, generator):
        z = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        z[: n // 2] = z[: n // 2].abs()
        return self.width * z

    def log_density(self, x):
        normal = -0.5 * (x / self.width).square().sum(1) - math.log(2 * math.pi * self.width**2)
        positive = (x > 0).all(1)  # half of the draws are folded into one quadrant of four
        return normal + torch.where(positive, math.log(0.5 * 4 + 0.5), math.log(0.5))


@pytest.mark.parametrize("through_propose", [False, True])
def test_resampled_draws_are_those_of_the_prior_inside_the_region_and_its_bounds(through_propose):
    problem, network, radius = Beside(), Corner(), 2.0
    edge = network.log_density(torch.tensor([[radius * network.width, 1e-12]], dtype=torch.float64))
    box = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    region = _Region(box, [(network, float(edge))])
    method = REFINEMENT.make("truncated", simulations=2000)
    warnings, generator = [], torch.Generator().manual_seed(0)
    propose = method._propose if through_propose else method._resample
    x, share = propose(problem, region, generator, warnings)
    assert x.shape == (2000, 2) and (x >= 0).all() and (x <= 1).all() and region.contains(x).all()
    # uniform on a quarter of a disc: radii radii are uniform
    radii = (x.square().sum(1) / (radius * network.width) ** 2).sort().values
    grid = torch.arange(1, 2001, dtype=torch.float64) / 2000
    assert float((radii - grid).abs().max()) < 0.06 and float(radii.max()) <= 1 + 1e-9
    exact = math.pi / 4 * (radius * network.width) ** 2
    assert share == pytest.approx(exact, rel=0.1)
    assert warnings == []
