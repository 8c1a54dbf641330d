"""Columns with heavy tails: linear near the median, logarithmic far from it, and exact in both directions."""

import math

import pytest
import torch

from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.inference.standardisation import Standardisation

HEAVY = torch.distributions.Cauchy(1e9, 1e-3)


@pytest.fixture
def rows() -> torch.Tensor:
    torch.manual_seed(0)
    return HEAVY.sample((4000, 1)).double() + 1e-3 * torch.randn(4000, 1).double()


@pytest.mark.parametrize("low", [-math.inf, 0.0])
def test_a_heavy_tail_comes_back_with_its_density(rows, low):
    rows = rows.clamp(min=1.0)
    s = Standardisation.learn(
        rows, rows, [Variable("v", scale="robust", low=low)], [Variable("v", scale="robust")]
    )
    z = s.x_in(rows)
    assert z.isfinite().all() and z.abs().max() < 30 and z[rows[:, 0].argsort()[1000:3000]].std() > 0.2
    assert torch.allclose(s.x_out(z), rows, rtol=1e-12) and torch.allclose(
        s.y_out(s.y_in(rows)), rows, rtol=1e-12
    )
    points = z[:50].clone().requires_grad_()
    x, slope = s.columns_x.outward(s.shift_x + s.scale_x * points)
    (gradient,) = torch.autograd.grad(x.sum(), points)
    assert torch.allclose((gradient / s.scale_x).log(), slope, atol=1e-8)
    assert torch.allclose(s.columns_x.inward(x)[1], -slope, atol=1e-6)
    again = Standardisation.from_description(s.describe(), Shapes(1, 1))
    again.load_state_dict(s.state_dict())
    assert torch.equal(again.x_in(rows), z) and torch.equal(again.y_in(rows), s.y_in(rows))


@pytest.mark.parametrize("factor", [2.0**-100, 2.0**100])
def test_a_unit_changes_nothing(rows, factor):
    variables = [Variable("v", scale="robust")]
    one, two = (Standardisation.learn(r, r, variables, variables) for r in (rows, factor * rows))
    assert torch.equal(one.x_in(rows), two.x_in(factor * rows))
