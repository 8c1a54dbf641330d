"""The ensemble of regressed mixtures: its mixtures, its limits, its order, its start."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.nn.box_limits import FAR, BoxLimits
from workbench.nn.normal_quantile import lower_quantile, rational_quantile
from workbench.nn.two_piece_normal import TwoPieceNormal
from workbench.problems import PROBLEMS


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixtures(components=3, rows=4):
    return TwoPieceNormal.read(0.8 * normal(rows, 4 * components))


EDGES = [(-FAR, FAR), (-0.7, FAR), (-FAR, 0.4), (-0.5, 1.2), (6.0, 9.0)]


@pytest.mark.parametrize("low, high", EDGES)
def test_a_mixture_of_two_piece_normals_integrates_to_one_and_its_draws_follow_it(low, high):
    mixture, whole = mixtures(), torch.full((4,), 1.0, dtype=torch.float64)
    v = torch.linspace(max(low, -40.0), min(high, 40.0), 400_001, dtype=torch.float64)
    z = torch.special.ndtri((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)
    for row in range(4):
        one = TwoPieceNormal(
            *(t[row] for t in (mixture.log_share, mixture.middle, mixture.below, mixture.above))
        )
        density = one.log_prob(v, (whole[0] * low, whole[0] * high)).exp()
        below = torch.cumulative_trapezoid(density, v)
        assert abs(float(below[-1]) - 1) < 1e-5
        own = TwoPieceNormal(
            *(
                t[row].expand(len(z), -1)
                for t in (mixture.log_share, mixture.middle, mixture.below, mixture.above)
            )
        )
        draws = own.draw(z, (torch.full_like(z, low), torch.full_like(z, high))).sort()[0]
        assert ((draws >= low) & (draws <= high)).all()
        there = torch.searchsorted(v, draws).clamp(1, len(below)) - 1
        assert (below[there] - torch.special.ndtr(z)).abs().max() < 1e-3


def test_equal_scales_give_a_mixture_of_normals_and_zeros_a_standard_normal():
    raw = normal(6, 4, 5)
    raw[:, 3] = raw[:, 2]
    mixture = TwoPieceNormal.read(raw.reshape(6, -1))
    v, far = normal(6, seed=2), torch.full((6,), FAR, dtype=torch.float64)
    parts = torch.distributions.Normal(mixture.middle, mixture.above).log_prob(v[:, None])
    exact = torch.logsumexp(mixture.log_share.log_softmax(-1) + parts, -1)
    assert torch.allclose(mixture.log_prob(v, (-far, far)), exact, atol=1e-12)
    assert torch.allclose(mixture.log_prob(v, None), exact, atol=1e-12)
    assert torch.allclose(mixture.draw(v, None), mixture.draw(v, (-far, far)), atol=1e-9)
    start = TwoPieceNormal.read(torch.zeros(1, 32, dtype=torch.float64))
    v = torch.linspace(-2.5, 2.5, 51, dtype=torch.float64)[:, None]
    log_probs = start.log_prob(v, None)
    assert (log_probs - torch.distributions.Normal(0, 1).log_prob(v)).abs().max() < 0.02


ORDERS = torch.tensor([[0, 1, 2], [2, 1, 0]])


@pytest.mark.parametrize("triangular", [True, False])
def test_limits_contain_the_box_and_are_exact_where_a_row_ends(triangular):
    factor = normal(3, 3) + 2 * torch.eye(3).double()
    factor = factor.tril() if triangular else factor
    low, high = torch.tensor([[-1.0, 0.0, -2.0], [1.0, 0.5, 3.0]], dtype=torch.float64)
    limits = BoxLimits(2, 3).double()
    back = torch.linalg.inv(factor)
    limits.prepare(torch.stack([low, high]), factor, back, ORDERS)
    shift = normal(500, 3, seed=4)
    share = torch.rand(500, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    v = (low + (high - low) * share - shift) @ factor.T
    mine = v[:, ORDERS].movedim(1, 0)
    least, most = limits(mine, shift, slice(None))
    assert ((least <= mine + 1e-9) & (mine <= most + 1e-9)).all()
    exact = [(k, 2) for k in range(2)] + [(0, i) for i in range(2) if triangular]
    for (k, i), side in itertools.product(exact, (least, most)):
        shifted_points = v.clone()
        shifted_points[:, ORDERS[k, i]] = side[k, :, i]
        x = shifted_points @ back.T + shift
        # what comes later is free: one of the components that are decided lies on its edge
        near = torch.minimum((x - low).abs(), (x - high).abs())
        near = near[:, i : i + 1] if triangular and k == 0 else near
        assert near.amin(1).max() < 1e-9


def test_an_infinite_edge_is_no_limit():
    limits = BoxLimits(1, 2).double()
    edges = torch.tensor([[0.0, -math.inf], [math.inf, math.inf]], dtype=torch.float64)
    eye = torch.eye(2).double()
    limits.prepare(edges, eye, eye, torch.tensor([[0, 1]]))
    least, most = limits(normal(1, 7, 2), torch.full((7, 2), -0.3).double(), slice(None))
    assert torch.allclose(least[0, :, 0], torch.full((7,), 0.3).double()) and (least[0, :, 1] == -FAR).all()
    assert (most == FAR).all()
    limits.prepare(torch.tensor([[-math.inf], [math.inf]]).expand(2, 2), eye, eye, torch.tensor([[0, 1]]))
    assert limits(normal(1, 7, 2), torch.zeros(2).double(), slice(None)) is None


def pairs(key, n=1500):
    table = PROBLEMS.make(key).draw(n, torch.Generator().manual_seed(1))
    return table.x, table.y


def prepare_model(key, n=1500, **settings):
    x, y = pairs(key, n)
    torch.manual_seed(0)
    model = ARCHITECTURES.make("regressed_mixtures", **({"width": 32, "members": 2} | settings))
    model = model.build(Shapes(x.shape[1], y.shape[1])).double()
    sides = [[getattr(v, side) for v in PROBLEMS.make(key).x] for side in ("low", "high")]
    model.prepare(x, y, torch.tensor(sides, dtype=torch.float64))
    return model


@pytest.fixture(scope="module")
def moons():
    model = prepare_model("two_moons_posterior", 8000, width=64)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return model


def test_all_of_the_density_and_all_draws_are_inside_the_bounds(moons):
    """Two components in rotated axes: the limits follow the box exactly."""
    y = torch.tensor([[0.2, -0.6]], dtype=torch.float64)
    places = 2 * (torch.arange(300, dtype=torch.float64) + 0.5) / 300 - 1
    x = torch.cartesian_prod(places, places)
    with torch.no_grad():
        density = torch.cat([moons.log_prob(part, y.expand(len(part), -1)).exp() for part in x.split(20_000)])
        assert abs(float(density.sum()) * (2 / 300) ** 2 - 1) < 5e-3
        draws = moons.draw(normal(2000, 3, seed=7), y)
    assert float(draws.abs().max()) <= 1 + 1e-6
    # and they are draws of this density: shares of the quarters
    for side in itertools.product((-1, 1), repeat=2):
        mask = lambda t: ((t * torch.tensor(side)) > 0).all(1).double()  # noqa: B023, E731
        share = float((density * mask(x)).sum() / density.sum())
        assert abs(float(mask(draws).mean()) - share) < 4 * math.sqrt(share * (1 - share) / 2000) + 2e-3


def test_the_order_is_chosen_only_where_it_matters(moons):
    """Across the crescents first is easy, along them is not; a normal distribution has no preference."""
    assert (moons.orders == moons.orders[0]).all()
    linear = prepare_model("gaussian_linear")
    assert (linear.orders[0] != linear.orders[1]).any()


def test_the_order_and_the_limits_are_saved_with_the_model(moons):
    torch.manual_seed(9)
    other = ARCHITECTURES.make("regressed_mixtures", width=64, members=2).build(Shapes(2, 2)).double()
    other.load_state_dict(moons.state_dict())
    x, y = pairs("two_moons_posterior", 50)
    with torch.no_grad():
        assert torch.equal(other.log_prob(x, y), moons.log_prob(x, y))


def test_the_start_is_the_posterior_of_a_linear_gaussian_model():
    """x ~ N(0, 1), y = x + N(0, 1/4): the posterior is N(4y/5, 1/5) before any training."""
    x = normal(20_000, 1)
    model = ARCHITECTURES.make("regressed_mixtures", width=8).build(Shapes(1, 1)).double()
    model.prepare(
        x, x + 0.5 * normal(20_000, 1, seed=1), torch.tensor([[-math.inf], [math.inf]], dtype=torch.float64)
    )
    rows, at = torch.tensor([[-1.0], [0.3], [2.0]]).double(), torch.full((3, 1), 0.5).double()
    with torch.no_grad():
        log_probs = model.log_prob(rows, at)
    exact = torch.distributions.Normal(0.4, math.sqrt(0.2)).log_prob(rows[:, 0])
    assert torch.allclose(log_probs, exact, atol=0.15)


def test_the_recipe_has_wider_networks_with_more_detail_where_simulations_lie_closer():
    keys = ("bernoulli_glm", "two_moons_posterior")
    few, many = (wb.Experiment.recommended(key).architecture for key in keys)
    assert few.width < many.width and few.detail < many.detail and few.members > many.members


def test_a_network_of_unbounded_components_stores_finite_numbers_only():
    """What is stored must be finite: without edges there are none, rather than infinite ones."""
    model = ARCHITECTURES.make("regressed_mixtures", members=2, width=8).build(Shapes(2, 1))
    x, y = torch.randn(60, 2), torch.randn(60, 1)
    edges = torch.tensor([[-torch.inf, -4.0], [torch.inf, torch.inf]])
    model.prepare(x, y, edges)
    assert all(v.isfinite().all() for v in model.state_dict().values())
    again = ARCHITECTURES.make("regressed_mixtures", members=2, width=8).build(Shapes(2, 1))
    again.load_state_dict(model.state_dict())
    assert model.limits.on and again.limits.on
    assert torch.equal(model.log_prob(x, y), again.log_prob(x, y))


def test_quantiles_in_a_graph_are_the_exact_ones_to_six_digits():
    low = torch.logspace(-30, -1, 2000, dtype=torch.float64)
    p = torch.cat([low, torch.linspace(0.01, 0.5, 2000).double()])
    exact = torch.special.ndtri(p)
    assert torch.equal(lower_quantile(p), exact)
    assert ((rational_quantile(p) - exact).abs() < 1e-6 * (1 + exact.abs())).all()
