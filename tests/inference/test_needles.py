"""A maximum of the density on which hardly any probability lies is warned of, and no other one."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace

import pytest
import torch

from workbench.core.variable import Variable
from workbench.inference.maximum import NeedleWarning, highest_density


def mixture(share, width, dimensions):
    """Return N(0, 1) beside a narrow normal of ``share`` at (1, …), as a model with a density, and draws."""
    generator = torch.Generator().manual_seed(0)

    def log_prob(x, y):
        wide = -0.5 * x.square().sum(1) + math.log(1 - share)
        narrow = -0.5 * ((x - 1) / width).square().sum(1) - dimensions * math.log(width) + math.log(share)
        return torch.logaddexp(wide, narrow) - 0.5 * dimensions * math.log(2 * math.pi)

    draws = torch.randn(4000, dimensions, generator=generator, dtype=torch.float64)
    count = int(share * 4000)
    draws[:count] = 1 + width * draws[:count]
    variables = tuple(Variable(f"x{i}") for i in range(dimensions))
    return SimpleNamespace(x=variables, log_prob=log_prob), draws


@pytest.mark.parametrize("dimensions", [1, 3])
def test_a_needle_is_warned_of(dimensions):
    model, draws = mixture(0.001, 1e-5, dimensions)
    with pytest.warns(NeedleWarning, match="0.1% of the draws"):
        result = highest_density(model, [], draws)
    assert result.x == pytest.approx([1.0] * dimensions, abs=1e-3)


@pytest.mark.parametrize("share, width, dimensions", [(1e-9, 1.0, 1), (1e-9, 1.0, 12), (0.2, 1e-3, 2)])
def test_a_normal_distribution_and_a_narrow_mode_with_probability_are_not(share, width, dimensions):
    model, draws = mixture(share, width, dimensions)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NeedleWarning)
        highest_density(model, [], draws)
