"""Maps of columns: inverses, log-determinants against autograd, edges, cycles, categories, and files."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.core.shapes import Shapes
from workbench.core.variable import OPEN_LEVELS, Variable
from workbench.inference.column_maps import ColumnMap, emptiest_point
from workbench.inference.column_values import as_values
from workbench.inference.standardisation import Standardisation

KINDS = {
    "linear": (Variable("v"), lambda u: 3 + 2 * u),
    "log": (Variable("v", scale="log"), lambda u: torch.exp(4 * u)),
    "log in a range": (
        Variable("v", scale="log", low=1e-6, high=1e3),
        lambda u: 10 ** (4.5 * torch.tanh(u) - 1.5),
    ),
    "filled interval": (Variable("v", low=-1.0, high=3.0), lambda u: 4 * torch.special.ndtr(u) - 1),
    "wide interval": (Variable("v", low=0.0, high=1e6), lambda u: 5 + u.clamp(-4, 4)),
    "one edge": (Variable("v", low=0.0), lambda u: u.abs() + 1e-3),
    "other edge": (Variable("v", high=-2.0), lambda u: -2 - u.abs() - 1e-3),
    "whole numbers": (Variable("v", levels=17), lambda u: (8 + 4 * u).round().clamp(0, 16)),
    "counts": (Variable("v", low=0, levels=OPEN_LEVELS), lambda u: (5 * u.abs()).round()),
    "angle": (Variable("v", period=360.0), lambda u: torch.remainder(30 * u, 360.0)),
    "tiny": (Variable("v", low=0.0), lambda u: 1e-30 * (u.abs() + 1e-3)),
    "huge": (Variable("v", low=0.0, high=1e30), lambda u: 1e30 * torch.special.ndtr(u)),
}


def learned(kind: str) -> tuple[Standardisation, torch.Tensor]:
    variable, make = KINDS[kind]
    u = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = make(u)
    return Standardisation.learn(x, x.new_zeros(len(x), 0), [variable], []), x


@pytest.mark.parametrize("kind", KINDS)
def test_x_comes_back_and_the_network_sees_a_standard_scale(kind):
    units, x = learned(kind)
    u = units.x_in(x)
    assert u.isfinite().all()
    assert abs(float(u.mean())) < 1e-6 and float(u.std()) == pytest.approx(1, abs=1e-3)
    spread = x.std()
    assert float(((as_values(units.x_out(u), [KINDS[kind][0]]) - x) / spread).abs().max()) < 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_log_determinants_are_those_of_autograd_in_both_directions(kind):
    units, x = learned(kind)
    points = (x[:50] if kind != "angle" else x[:50] + 1e-3).clone().requires_grad_(True)
    u, volume = units.x_in_with_volume(points)
    (slope,) = torch.autograd.grad(u.sum(), points)
    torch.testing.assert_close(volume, slope[:, 0].log(), rtol=1e-6, atol=1e-6)
    u = u.detach().requires_grad_(True)
    back, volume = units.x_out_with_volume(u)
    (slope,) = torch.autograd.grad(back.sum(), u)
    torch.testing.assert_close(volume, slope[:, 0].log(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "kind", [k for k, (v, _) in KINDS.items() if math.isfinite(v.low) or math.isfinite(v.high)]
)
def test_whatever_the_network_gives_lies_inside(kind):
    units, _ = learned(kind)
    variable = KINDS[kind][0]
    u = torch.linspace(-60, 60, 2001, dtype=torch.float64)[:, None]
    x = units.x_out(u)
    low, high = variable.support
    if kind == "angle":
        x = torch.remainder(x, 360.0)
    assert (x >= low).all() and (x <= high).all()
    assert units.bounds([variable]).isinf().all()


def test_a_uniform_prior_becomes_a_standard_normal_distribution():
    from scipy import stats

    x = torch.rand(5000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    units = Standardisation.learn(x, x.new_zeros(len(x), 0), [Variable("v", low=0.0, high=1.0)], [])
    assert stats.kstest(units.x_in(x)[:, 0].numpy(), "norm").pvalue > 0.01


def test_far_from_a_loose_edge_the_map_is_linear():
    units, x = learned("wide interval")
    straight = (x - x.mean()) / x.std()
    far = x > 4  # deviations from the edge
    assert float((units.x_in(x) - straight)[far].abs().max()) < 0.05


def test_a_network_that_keeps_bounds_gets_linear_columns_and_its_bounds():
    x = torch.rand(500, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    variables = [Variable("v", low=0.0, high=1.0)]
    units = Standardisation.learn(x, x.new_zeros(len(x), 0), variables, [], bounded=False)
    assert units.linear_x
    torch.testing.assert_close(units.x_out(units.bounds(variables)), torch.tensor([[0.0], [1.0]]).double())


def test_an_angle_is_cut_where_no_data_are():
    degrees = torch.tensor([350.0, 355.0, 0.0, 5.0, 20.0], dtype=torch.float64)
    assert emptiest_point(degrees, 0.0, 360.0) == pytest.approx(185.0)
    assert emptiest_point(degrees - 180, -180.0, 360.0) == pytest.approx(5.0)


def test_columns_of_y_become_the_inputs_of_a_network():
    generator = torch.Generator().manual_seed(0)
    y = torch.stack(
        [
            10 ** torch.randn(300, generator=generator),
            360 * torch.rand(300, generator=generator),
            torch.randint(0, 3, (300,), generator=generator),
            torch.randn(300, generator=generator),
        ],
        1,
    ).double()
    variables = [
        Variable("flux", scale="log"),
        Variable("angle", period=360.0),
        Variable("class", categories=3),
        Variable("height"),
    ]
    units = Standardisation.learn(torch.zeros(300, 1), y, [Variable("x")], variables)
    assert units.network_shapes == Shapes(1, 7)
    inputs = units.y_in(y)
    assert inputs.shape == (300, 7) and inputs.isfinite().all()
    torch.testing.assert_close(units.y_out(inputs), y, rtol=1e-9, atol=1e-9)
    near = units.y_in(torch.tensor([[1.0, 359.9, 1, 0], [1.0, 0.1, 1, 0]], dtype=torch.float64))
    assert float((near[0] - near[1]).norm()) < 0.01
    mean, spread = units.moments_y()
    assert spread.isinf().tolist() == [False, True, True, False]
    assert mean[0] == pytest.approx(float(y[:, 0].log().mean()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_makes_the_same_map(kind):
    units, x = learned(kind)
    copy = Standardisation.from_description(units.describe(), Shapes(1, 0))
    copy.load_state_dict(units.state_dict())
    assert torch.equal(copy.x_in(x), units.x_in(x))


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "cubic"},
        {"edge": "hard"},
        {"edge": "probit", "low": 0.0},
        {"edge": "soft", "low": 1.0, "high": 0.0},
        {"edge": "soft", "width": 0.0},
        {"kind": "cyclic", "period": 0.0},
        {"kind": 3},
        {"width": "wide"},
        {"categories": 10**9},
        {"slope": 1.0},
    ],
)
def test_damaged_descriptions_are_refused(values):
    with pytest.raises((ValueError, TypeError)):
        ColumnMap.from_dict(values)


def test_the_portable_functions_have_all_digits():
    from workbench.nn.normal_quantile import normal_cdf, normal_quantile

    z = torch.linspace(-8, 8, 2001, dtype=torch.float64)
    torch.testing.assert_close(normal_cdf(z, portable=True), normal_cdf(z), rtol=1e-8, atol=1e-15)
    p = torch.linspace(1e-9, 1 - 1e-9, 2001, dtype=torch.float64)
    torch.testing.assert_close(
        normal_quantile(p, portable=True), torch.special.ndtri(p), rtol=1e-9, atol=1e-9
    )
