"""Models that keep bounds: the density is zero outside them and integrates to one inside, and so do draws."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.nn.support import Support

MEMBERS = ("regressed_mixtures", "regressed_ensemble")
CELLS = {1: 3001, 2: 301, 3: 39}


def box(features, half_line=False):
    low, high = torch.full((features,), -1.0), torch.full((features,), 1.0)
    if half_line:
        high[0] = math.inf
    return torch.stack([low, high]).double()


def data(features, kind):
    """Pairs x (n, D) in the cube (-1, 1)ᴰ and y (n, 1), by the shape of their mass."""
    generator = torch.Generator().manual_seed(1)
    x = 2 * torch.rand(1500, features, generator=generator).double() - 1
    if kind == "narrow":  # a fraction of the box, cut by its lower edge: the truncated mixture
        x = (0.12 * torch.randn(1500, features, generator=generator).double() - 0.9).abs() - 1
    if kind == "correlated" and features > 1:  # the residuals are whitened along rotated axes
        x[:, 1:] = 0.85 * x[:, :1] + 0.15 * x[:, 1:]
    noise = torch.randn(1500, 1, generator=generator).double()
    return x, x[:, :1] + 0.3 * noise


def prepared(key, features, kind, bounds):
    x, y = data(features, kind)
    torch.manual_seed(0)
    model = ARCHITECTURES.make(key, width=16, members=2).build(Shapes(features, 1)).double()
    model.prepare(x, y, bounds)
    with torch.no_grad():  # as if trained a little
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.03)
    return model


def density(model, x, at):
    y = torch.tensor([[at]]).double()
    with torch.no_grad():
        parts = [model.log_prob(part, y.expand(len(part), -1)) for part in x.split(20_000)]
    return torch.cat(parts)


@pytest.mark.parametrize("kind", ["uniform", "narrow", "correlated"])
@pytest.mark.parametrize(
    ("key", "features"), [*((key, d) for key in MEMBERS for d in (1, 2)), ("regressed_mixtures", 3)]
)
def test_over_a_window_three_times_the_box_the_density_integrates_to_one(key, features, kind):
    model = prepared(key, features, kind, box(features))
    cells = CELLS[features]
    place = 3 * (2 * (torch.arange(cells).double() + 0.5) / cells - 1)
    points = torch.cartesian_prod(*[place] * features).reshape(-1, features)
    for at in (-0.9, 0.6) if features < 3 else (0.3,):
        log_prob = density(model, points, at)
        inside = (points.abs() <= 1).all(1)
        assert (log_prob[~inside] == -math.inf).all() and log_prob[inside].isfinite().all()
        tolerance = {1: 2e-3, 2: 3e-2, 3: 0.25}[features]  # of the sum over cells
        assert float(log_prob.exp().sum()) * (6 / cells) ** features == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize("key", MEMBERS)
def test_far_outside_the_bounds_there_is_no_density(key):
    bounds = box(2, half_line=True)
    model = prepared(key, 2, "uniform", bounds)
    far = torch.tensor([[-1.001, 0], [-5, 0], [-1e8, 0], [0, 1.001], [0, -1e30], [3, 7]]).double()
    assert (density(model, far, 0.2) == -math.inf).all()
    assert density(model, torch.tensor([[2.0, 0.3], [-1, 1]]).double(), 0.2).isfinite().all()


@pytest.mark.parametrize("kind", ["uniform", "narrow", "correlated"])
@pytest.mark.parametrize("key", MEMBERS)
def test_all_draws_lie_inside_without_rejection_and_follow_the_density(key, kind):
    model = prepared(key, 3, kind, box(3))
    y = torch.tensor([[0.3]]).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        draws = model.draw(torch.randn(4000, 4, generator=generator).double(), y)
    assert float(draws.abs().max()) <= 1
    edge = float((draws.abs() == 1).any(1).double().mean())
    assert edge < 0.01  # none were moved there to hide that they lay outside
    # the mean of 1/p over draws in a part of the box is the volume of that part
    middle = draws.median(0).values
    width = (draws.quantile(0.75, 0) - draws.quantile(0.25, 0)).clamp(min=1e-3)
    low, high = (middle - width).clamp(min=-1), (middle + width).clamp(max=1)
    mask = ((draws > low) & (draws < high)).all(1)
    # and the mean of the density over uniform points of that part is its share of the draws
    points = low + (high - low) * torch.rand(20_000, 3, generator=generator).double()
    share = density(model, points, 0.3).exp() * (high - low).prod()
    error = math.hypot(float(share.std()) / 20_000**0.5, 0.5 / 4000**0.5)
    assert float(share.mean()) == pytest.approx(float(mask.double().mean()), abs=5 * error)


def test_many_components_have_exact_limits_too():
    """From three components on each member's residuals are turned, so that no draw leaves a box of 14."""
    model = prepared("regressed_mixtures", 14, "correlated", box(14))
    assert model.is_turned or model.cut.on or bool((model.edges.has_low > 0).all())
    if model.is_turned:
        identity = model.turns @ model.turns.mT
        assert torch.allclose(identity, torch.eye(14).double().expand_as(identity), atol=1e-9)
    x, _ = data(14, "correlated")
    back = model._from_members(model._to_members(x, slice(None)), slice(None))
    assert torch.allclose(back, x.expand_as(back), atol=1e-9)
    with torch.no_grad():
        draws = model.draw(torch.randn(500, 15).double(), torch.tensor([[0.3]]).double())
    assert float(draws.abs().max()) <= 1 and float((draws.abs() == 1).double().mean()) < 0.01


def test_a_stored_model_keeps_its_support_and_an_older_one_gets_it_from_its_parts():
    model = prepared("regressed_mixtures", 3, "correlated", box(3))
    new = ("support.", "turns", "turned", "limits.triangular", "limits.orders")
    state = model.state_dict()
    again = ARCHITECTURES.make("regressed_mixtures", width=16, members=2).build(Shapes(3, 1)).double()
    again.load_state_dict(state)
    x, _ = data(3, "correlated")
    assert torch.equal(density(again, x[:100], 0.3), density(model, x[:100], 0.3))
    old = {name: value for name, value in state.items() if not name.startswith(new)}
    again.load_state_dict(old)
    assert torch.equal(again.support.edges, box(3)) and again.support.there.all() and not again.support.clips
    assert density(again, torch.full((1, 3), 1.5).double(), 0.3) == -math.inf


def test_a_point_that_rounding_put_on_the_other_side_of_an_edge_counts_as_inside():
    support = Support(2)
    support.prepare(torch.tensor([[0.1, -math.inf], [math.inf, 3e4]]))
    points = torch.tensor([[0.1, 0.0], [0.1 - 1e-8, 3e4], [0.1 - 1e-5, 0.0], [1.0, 3.01e4]])
    image, outside = support(points)
    assert outside.tolist() == [False, False, True, True]
    assert (image[:, 0] >= 0.1 - 1e-9).all() and (image[:, 1] <= 3e4).all()
