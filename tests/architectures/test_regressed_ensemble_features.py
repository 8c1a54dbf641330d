"""Features that the ensemble of regressed spline flows detects: truncated linear models and sets."""

from __future__ import annotations

import math

import pytest
import torch

from tests.architectures.properties import log_det_error, round_trip_error
from workbench.architectures import ARCHITECTURES
from workbench.bijections.truncated_mixture import TruncatedMixture, log_mass
from workbench.core.shapes import Shapes
from workbench.nn.exchangeable import Exchangeable, find_blocks
from workbench.nn.normal_quantile import log_quantile
from workbench.problems import PROBLEMS


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def truncated_mixture(widths, shares, slope=1.0):
    """Two components in [−1, 2] × [0, 1], one number c."""
    layer = TruncatedMixture(2, 1).double()
    layer.edges.copy_(double([[-1.0, 0.0], [2.0, 1.0]]))
    layer.offset.copy_(double([0.4, 0.3]))
    layer.slope.copy_(double([[slope], [-0.5]]))
    layer.shares.fill_(1e-30)
    for k, (width, share) in enumerate(zip(widths, shares, strict=True)):
        layer.widths[k], layer.shares[k] = width, share
    layer.on = True
    return layer


MIXTURES = [((1.0,), (1.0,)), ((0.05, 0.8), (0.3, 0.7)), ((30.0, 0.2), (0.5, 0.5))]


def test_masses_and_quantiles_hold_far_down_the_tails():
    places = double([-45.0, -9.0, -2.0, -0.5, 0.0])
    assert torch.allclose(log_quantile(torch.special.log_ndtr(places)), places, atol=1e-9)
    upper, lower = log_mass(double([30.0]), double([31.0])), log_mass(double([-31.0]), double([-30.0]))
    assert torch.allclose(upper, lower)
    plain = torch.special.ndtr(double([1.2])) - torch.special.ndtr(double([-0.3]))
    assert torch.allclose(log_mass(double([-0.3]), double([1.2])).exp(), plain)


@pytest.mark.parametrize("widths, shares", MIXTURES)
@pytest.mark.parametrize("place", [0.0, 1.5, -6.0])
def test_the_truncated_mixture_is_a_bijection_from_the_box(widths, shares, place):
    layer, c = truncated_mixture(widths, shares), double([[place]])
    points = torch.cartesian_prod(torch.linspace(-0.95, 1.95, 6), torch.linspace(0.03, 0.97, 5)).double()
    there = lambda u: layer(c.expand(len(u), 1)).call_and_ladj(u)  # noqa: E731
    back = lambda w: (layer(c.expand(len(w), 1)).inv(w), None)  # noqa: E731
    assert log_det_error(there, points) < 1e-7
    assert round_trip_error(there, back, points) < 1e-7
    far = 8 * normal(50, 2)
    u = layer(c.expand(50, 1)).inv(far)
    assert (u >= layer.edges[0]).all() and (u <= layer.edges[1]).all()


@pytest.mark.parametrize("widths, shares", MIXTURES)
def test_its_density_is_the_truncated_mixture(widths, shares):
    layer, c = truncated_mixture(widths, shares), double([[0.8]])
    axes = [torch.linspace(low, high, 301, dtype=torch.float64) for low, high in ((-1.0, 2.0), (0.0, 1.0))]
    axes = [0.5 * (axis[1:] + axis[:-1]) for axis in axes]
    points = torch.cartesian_prod(*axes)
    w, log_det = layer(c.expand(len(points), 1)).call_and_ladj(points)
    log_density = log_det - 0.5 * w.square().sum(1) - math.log(2 * math.pi)
    middle, exact = double([1.2, -0.1]), 0.0
    for width, share in zip(widths, shares, strict=True):
        exact = exact + share * torch.distributions.Normal(middle, width).log_prob(points).sum(1).exp()
    cell = 0.01 * (1 / 300)
    exact = exact / (exact.sum() * cell)
    assert abs(float(log_density.exp().sum()) * cell - 1) < 2e-3
    near = exact > 1e-3 * exact.max()
    assert (log_density - exact.log())[near].abs().max() < 2e-3


@pytest.mark.parametrize("key, most", [("gaussian_linear_uniform", 0.06), ("gaussian_mixture", 0.01)])
def test_the_start_is_the_exact_posterior_of_a_linear_model_in_a_box(key, most):
    """Before any training, nats above the exact posterior on fresh pairs."""
    problem = PROBLEMS.make(key)
    pairs, fresh = (problem.draw(4000, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    moments = [(t.mean(0), t.std(0)) for t in (pairs.x, pairs.y)]
    x, y = ((t - m) / s for t, (m, s) in zip((pairs.x, pairs.y), moments, strict=True))
    bounds = double([[v.low for v in problem.x], [v.high for v in problem.x]])
    model = ARCHITECTURES.make("regressed_ensemble", width=8).build(Shapes(x.shape[1], y.shape[1])).double()
    model.prepare(x, y, (bounds - moments[0][0]) / moments[0][1])
    assert model.cut.on
    with torch.no_grad():
        rows = [(t - m) / s for t, (m, s) in zip((fresh.x, fresh.y), moments, strict=True)]
        log_probs = model.log_prob(*rows) - moments[0][1].log().sum()
    gap = problem.log_joint(fresh.x, fresh.y) - problem.log_evidence(fresh.y) - log_probs
    gap = float(gap[gap.isfinite()].mean())
    assert -0.005 < gap < most


def test_it_is_not_used_where_it_does_not_fit_and_is_stored_with_the_weights():
    problem = PROBLEMS.make("two_moons_posterior")
    pairs = problem.draw(3000, torch.Generator().manual_seed(0))
    layer = TruncatedMixture(2, 2).double()
    layer.prepare(pairs.x, pairs.y, double([[-1.0, -1.0], [1.0, 1.0]]))
    x, y = pairs.x[:5], pairs.y[:5]
    assert not layer.on and torch.equal(layer(y)(x), x) and torch.equal(layer(y).inv(x), x)
    original, fresh = truncated_mixture(*MIXTURES[1]), TruncatedMixture(2, 1).double()
    original.active.fill_(True)
    fresh.load_state_dict(original.state_dict())
    point, c = double([[0.3, 0.2]]), double([[0.1]])
    assert fresh.on and torch.equal(fresh(c)(point), original(c)(point))


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


@pytest.mark.parametrize("key, blocks", [("slcp", (4, False)), ("gaussian_mixture", None), ("sir", None)])
def test_sets_among_the_problems(key, blocks):
    pairs = PROBLEMS.make(key).draw(4000, torch.Generator().manual_seed(0))
    x, y = ((t - t.mean(0)) / t.std(0).clamp(min=1e-9) for t in (pairs.x, pairs.y))
    assert find_blocks(x, y) == blocks


def test_exchangeable_sets_are_rarely_rejected():
    """Nominally one in a thousand; two of twenty would be two in ten thousand."""
    assert sum(find_blocks(*sets(400, seed=10 * k)) is None for k in range(20)) < 2


def test_features_of_a_set_do_not_depend_on_the_order():
    x, y = sets(3000)
    model = ARCHITECTURES.make("regressed_ensemble", width=8, members=2).build(Shapes(2, 15)).double()
    free = double([[-math.inf] * 2, [math.inf] * 2])
    model.prepare(x, y, free)
    assert model.arrangement.layout == (5, False)
    permutation = y.unflatten(1, (5, 3))[:, [3, 1, 4, 0, 2]].flatten(1)
    with torch.no_grad():
        assert torch.allclose(model.log_prob(x, permutation), model.log_prob(x, y), atol=1e-9)
        features = model.features_of(y)
        copy = ARCHITECTURES.make("regressed_ensemble", width=8, members=2).build(Shapes(2, 15)).double()
        copy.load_state_dict(model.state_dict())
        assert torch.equal(copy.log_prob(x, permutation), model.log_prob(x, permutation))
    # location and scale are linear functions of the features
    design = torch.cat([features, torch.ones(len(x), 1).double()], 1)
    residual = x - design @ torch.linalg.lstsq(design, x, driver="gelsd").solution
    assert (residual.var(0) < 0.2).all()


def test_without_exchangeable_blocks_the_features_are_the_observation():
    layer, y = Exchangeable(4), normal(6, 4)
    assert all(torch.equal(part, y) for part in layer(y))


def test_weights_stored_before_these_features_give_the_same_network():
    x, y = sets(1000)
    free = double([[-math.inf] * 2, [math.inf] * 2])
    old, new = (
        ARCHITECTURES.make("regressed_ensemble", width=8, members=2).build(Shapes(2, 15)).double()
        for _ in range(2)
    )
    new.prepare(x, y, free)
    assert new.arrangement.layout == (5, False)
    state = old.state_dict()
    new.load_state_dict({k: v for k, v in state.items() if k.split(".")[0] not in ("cut", "arrangement")})
    with torch.no_grad():
        assert torch.equal(new.log_prob(x, y), old.log_prob(x, y))
