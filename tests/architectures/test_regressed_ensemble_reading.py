"""What the ensemble of regressed spline flows finds out by itself: a law cut off at a box, and sets."""

from __future__ import annotations

import math

import pytest
import torch

from tests.architectures.properties import log_det_error, round_trip_error
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.nn.exchangeable import Exchangeable, find_blocks
from workbench.nn.truncated_mixture import TruncatedMixture, log_mass, log_quantile
from workbench.problems import PROBLEMS


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def law(widths, shares, slope=1.0):
    """Two components in [−1, 2] × [0, 1], one number c."""
    made = TruncatedMixture(2, 1).double()
    made.edges.copy_(double([[-1.0, 0.0], [2.0, 1.0]]))
    made.offset.copy_(double([0.4, 0.3]))
    made.slope.copy_(double([[slope], [-0.5]]))
    made.shares.fill_(1e-30)
    for k, (width, share) in enumerate(zip(widths, shares, strict=True)):
        made.widths[k], made.shares[k] = width, share
    made.on = True
    return made


LAWS = [((1.0,), (1.0,)), ((0.05, 0.8), (0.3, 0.7)), ((30.0, 0.2), (0.5, 0.5))]


def test_masses_and_quantiles_hold_far_down_the_tails():
    places = double([-45.0, -9.0, -2.0, -0.5, 0.0])
    assert torch.allclose(log_quantile(torch.special.log_ndtr(places)), places, atol=1e-9)
    upper, lower = log_mass(double([30.0]), double([31.0])), log_mass(double([-31.0]), double([-30.0]))
    assert torch.allclose(upper, lower)
    plain = torch.special.ndtr(double([1.2])) - torch.special.ndtr(double([-0.3]))
    assert torch.allclose(log_mass(double([-0.3]), double([1.2])).exp(), plain)


@pytest.mark.parametrize("widths, shares", LAWS)
@pytest.mark.parametrize("place", [0.0, 1.5, -6.0])
def test_the_cut_law_is_a_bijection_from_the_box(widths, shares, place):
    made, c = law(widths, shares), double([[place]])
    points = torch.cartesian_prod(torch.linspace(-0.95, 1.95, 6), torch.linspace(0.03, 0.97, 5)).double()
    there = lambda u: made(u, c.expand(len(u), 1))  # noqa: E731
    back = lambda w: (made.inverse(w, c.expand(len(w), 1)), None)  # noqa: E731
    assert log_det_error(there, points) < 1e-7
    assert round_trip_error(there, back, points) < 1e-7
    far = 8 * normal(50, 2)
    u = made.inverse(far, c.expand(50, 1))
    assert (u >= made.edges[0]).all() and (u <= made.edges[1]).all()


@pytest.mark.parametrize("widths, shares", LAWS)
def test_its_density_is_the_mixture_cut_off(widths, shares):
    made, c = law(widths, shares), double([[0.8]])
    axes = [torch.linspace(low, high, 301, dtype=torch.float64) for low, high in ((-1.0, 2.0), (0.0, 1.0))]
    axes = [0.5 * (axis[1:] + axis[:-1]) for axis in axes]
    points = torch.cartesian_prod(*axes)
    w, log_det = made(points, c.expand(len(points), 1))
    found = log_det - 0.5 * w.square().sum(1) - math.log(2 * math.pi)
    middle, exact = double([1.2, -0.1]), 0.0
    for width, share in zip(widths, shares, strict=True):
        exact = exact + share * torch.distributions.Normal(middle, width).log_prob(points).sum(1).exp()
    cell = 0.01 * (1 / 300)
    exact = exact / (exact.sum() * cell)
    assert abs(float(found.exp().sum()) * cell - 1) < 2e-3
    near = exact > 1e-3 * exact.max()
    assert (found - exact.log())[near].abs().max() < 2e-3


@pytest.mark.parametrize("key, most", [("gaussian_linear_uniform", 0.06), ("gaussian_mixture", 0.01)])
def test_the_start_is_the_exact_posterior_of_a_linear_model_in_a_box(key, most):
    """Before any training, nats above the exact posterior on fresh pairs."""
    problem = PROBLEMS.make(key)
    drawn, fresh = (problem.draw(4000, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    moved = [(t.mean(0), t.std(0)) for t in (drawn.x, drawn.y)]
    x, y = ((t - m) / s for t, (m, s) in zip((drawn.x, drawn.y), moved, strict=True))
    bounds = double([[v.low for v in problem.x], [v.high for v in problem.x]])
    model = ARCHITECTURES.make("regressed_ensemble", width=8).build(Shapes(x.shape[1], y.shape[1])).double()
    model.prepare(x, y, (bounds - moved[0][0]) / moved[0][1])
    assert model.cut.on
    with torch.no_grad():
        rows = [(t - m) / s for t, (m, s) in zip((fresh.x, fresh.y), moved, strict=True)]
        found = model.log_prob(*rows) - moved[0][1].log().sum()
    gap = problem.log_joint(fresh.x, fresh.y) - problem.log_evidence(fresh.y) - found
    gap = float(gap[gap.isfinite()].mean())
    assert -0.005 < gap < most


def test_a_law_that_fills_its_box_is_left_alone_and_a_stored_one_comes_back():
    problem = PROBLEMS.make("two_moons_posterior")
    drawn = problem.draw(3000, torch.Generator().manual_seed(0))
    layer = TruncatedMixture(2, 2).double()
    layer.prepare(drawn.x, drawn.y, double([[-1.0, -1.0], [1.0, 1.0]]))
    x, y = drawn.x[:5], drawn.y[:5]
    assert not layer.on and torch.equal(layer(x, y)[0], x) and torch.equal(layer.inverse(x, y), x)
    kept, fresh = law(*LAWS[1]), TruncatedMixture(2, 1).double()
    kept.active.fill_(True)
    fresh.load_state_dict(kept.state_dict())
    point, c = double([[0.3, 0.2]]), double([[0.1]])
    assert fresh.on and torch.equal(fresh(point, c)[0], kept(point, c)[0])


# ---- sets
def sets(n, *, tilt=0.0, interleaved=False, seed=0):
    """x (n, 2): place and spread of five blocks (n, 15) of three numbers each; the last moved by ``tilt``."""
    x = normal(n, 2, seed=seed)
    noise = normal(n, 5, 3, seed=seed + 1)
    block = x[:, :1, None] + (0.5 * x[:, 1:, None]).exp() * noise * double([1.0, 0.3, 2.0])
    block[:, :, 2] += block[:, :, 0]
    block[:, -1, 1] += tilt
    return x, (block.mT if interleaved else block).flatten(1)


def test_sets_are_found_wherever_their_blocks_lie_and_nowhere_else():
    assert find_blocks(*sets(4000)) == (5, False)
    assert find_blocks(*sets(4000, interleaved=True)) == (5, True)
    assert find_blocks(*sets(4000, tilt=0.2)) is None
    assert find_blocks(*sets(100)) is None
    x = normal(4000, 4)
    assert find_blocks(x, x + 0.3 * normal(4000, 4, seed=1)) is None


@pytest.mark.parametrize("key, found", [("slcp", (4, False)), ("gaussian_mixture", None), ("sir", None)])
def test_sets_among_the_problems(key, found):
    drawn = PROBLEMS.make(key).draw(4000, torch.Generator().manual_seed(0))
    x, y = ((t - t.mean(0)) / t.std(0).clamp(min=1e-9) for t in (drawn.x, drawn.y))
    assert find_blocks(x, y) == found


def test_a_right_set_is_hardly_ever_refused():
    """Nominally one in a thousand; two of twenty would be two in ten thousand."""
    assert sum(find_blocks(*sets(400, seed=10 * k)) is None for k in range(20)) < 2


def test_what_is_read_of_a_set_does_not_depend_on_the_order():
    x, y = sets(3000)
    model = ARCHITECTURES.make("regressed_ensemble", width=8, members=2).build(Shapes(2, 15)).double()
    free = double([[-math.inf] * 2, [math.inf] * 2])
    model.prepare(x, y, free)
    assert model.arrangement.found == (5, False)
    turned = y.unflatten(1, (5, 3))[:, [3, 1, 4, 0, 2]].flatten(1)
    with torch.no_grad():
        assert torch.allclose(model.log_prob(x, turned), model.log_prob(x, y), atol=1e-9)
        told = model._read(y)
        stored = ARCHITECTURES.make("regressed_ensemble", width=8, members=2).build(Shapes(2, 15)).double()
        stored.load_state_dict(model.state_dict())
        assert torch.equal(stored.log_prob(x, turned), model.log_prob(x, turned))
    # place and spread can be read off in a straight line
    design = torch.cat([told, torch.ones(len(x), 1).double()], 1)
    left = x - design @ torch.linalg.lstsq(design, x, driver="gelsd").solution
    assert (left.var(0) < 0.2).all()


def test_where_the_order_counts_an_observation_is_read_as_it_is():
    layer, y = Exchangeable(4), normal(6, 4)
    assert all(torch.equal(part, y) for part in layer(y))


def test_a_network_stored_without_these_readings_is_what_it_was():
    x, y = sets(1000)
    free = double([[-math.inf] * 2, [math.inf] * 2])
    old, new = (
        ARCHITECTURES.make("regressed_ensemble", width=8, members=2).build(Shapes(2, 15)).double()
        for _ in range(2)
    )
    new.prepare(x, y, free)
    assert new.arrangement.found == (5, False)
    state = old.state_dict()
    new.load_state_dict({k: v for k, v in state.items() if k.split(".")[0] not in ("cut", "arrangement")})
    with torch.no_grad():
        assert torch.equal(new.log_prob(x, y), old.log_prob(x, y))
