"""Laws over every architecture and several shapes, one law a test."""

from __future__ import annotations

import pytest
import torch

from tests.architectures.laws import (
    CASES,
    batch,
    batch_dependence,
    built,
    directions,
    draws_random_numbers,
    integral,
    log_det_error,
    numerical,
    opposite_log_dets_error,
    parametrised,
    round_trip_error,
    tolerance,
    unreached,
)
from workbench.architectures import ARCHITECTURES
from workbench.core import capability
from workbench.core.errors import DataError
from workbench.core.model import standard_normal_log_density

cases = parametrised(CASES)
DENSITIES = [(key, s) for key, s in CASES if capability.DENSITY in ARCHITECTURES[key].capabilities]
densities = parametrised(DENSITIES)


def points(model, y, rows=32, scale=1.0):
    """Both directions, and points of the bijection's own width."""
    there, back, width = directions(model, y)
    generator = torch.Generator().manual_seed(2)
    return there, back, scale * torch.randn(rows, width, generator=generator, dtype=torch.float64)


@cases
def test_data_to_latent_and_back(key, shapes):
    there, back, some = points(built(key, shapes), batch(shapes)[1], scale=2.0)
    assert round_trip_error(there, back, some) < tolerance(key)


@cases
def test_latent_to_data_and_back(key, shapes):
    there, back, some = points(built(key, shapes), batch(shapes)[1], scale=2.0)
    assert round_trip_error(back, there, some) < tolerance(key)


@cases
def test_round_trips_in_single_precision(key, shapes):
    y = batch(shapes)[1]
    there, back, some = points(built(key, shapes).float(), None if y is None else y.float())
    assert there(some.float())[0].dtype == torch.float32
    assert round_trip_error(there, back, some.float()) < 2e-3
    assert round_trip_error(back, there, some.float()) < 2e-3


@cases
def test_log_det_is_that_of_the_jacobian(key, shapes):
    there, _, some = points(built(key, shapes), batch(shapes)[1], rows=2 if numerical(key) else 4)
    assert log_det_error(there, some) < tolerance(key)


@cases
def test_log_det_of_the_inverse_is_that_of_its_jacobian(key, shapes):
    _, back, some = points(built(key, shapes), batch(shapes)[1], rows=2 if numerical(key) else 4)
    assert log_det_error(back, some) < tolerance(key)


@cases
def test_log_dets_of_the_two_directions_are_opposite(key, shapes):
    there, back, some = points(built(key, shapes), batch(shapes)[1])
    assert opposite_log_dets_error(there, back, some) < tolerance(key)


@cases
def test_gradient_reaches_every_parameter_through_the_latent(key, shapes):
    model = built(key, shapes)
    there, _, some = points(model, batch(shapes)[1])   # padding that is noise, for zeros reach no first layer
    z, log_det = there(some)
    assert unreached(model, (standard_normal_log_density(z) + log_det).sum()) == []


@cases
def test_gradient_reaches_every_parameter_through_samples(key, shapes):
    model, (x, y) = built(key, shapes), batch(shapes)
    z = torch.randn(x.shape[0], model.latent_features, dtype=x.dtype)
    back, log_det = model.inverse(z, y)
    assert unreached(model, back.square().sum() + log_det.sum()) == []


@cases
def test_a_point_does_not_depend_on_its_batch(key, shapes):
    y = batch(shapes)[1]
    rows = 3 if numerical(key) else 8
    there, back, some = points(built(key, shapes), None if y is None else y[:1].expand(rows, -1), rows=rows)
    assert max(batch_dependence(there, some), batch_dependence(back, some)) < tolerance(key)


@cases
def test_nothing_is_drawn_after_construction(key, shapes):
    model, (x, y) = built(key, shapes), batch(shapes)
    z = model.latent(x, y)[0]
    assert not draws_random_numbers(lambda: (model.latent(x, y), model.inverse(z, y), model.stages(z, y)))


@cases
def test_stages_lead_from_the_latent_to_the_data(key, shapes):
    model, (x, y) = built(key, shapes), batch(shapes)
    z = model.latent(x, y)[0]
    stages = model.stages(z, y)
    columns = min(2, shapes.x)
    assert len(stages) >= 3
    assert all(s.shape[0] == x.shape[0] and s.shape[1] >= columns for s in stages)
    assert torch.equal(stages[0][:, :model.latent_features], z)
    assert torch.equal(stages[-1], model.inverse(z, y)[0])


@cases
def test_same_seed_same_parameters(key, shapes):
    one, same, other = (built(key, shapes, seed=s).state_dict() for s in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@cases
def test_weights_go_to_a_file_and_back(key, shapes, tmp_path):
    model, other, (x, y) = built(key, shapes), built(key, shapes, seed=5), batch(shapes)
    assert not torch.equal(model.latent(x, y)[0], other.latent(x, y)[0])
    try:
        from safetensors.torch import load_file, save_file
    except ImportError:
        torch.save(model.state_dict(), tmp_path / "weights")
        weights = torch.load(tmp_path / "weights", weights_only=True)
    else:
        save_file(model.state_dict(), tmp_path / "weights")
        weights = load_file(tmp_path / "weights")
    other.load_state_dict(weights)
    for mine, theirs in zip(model.latent(x, y), other.latent(x, y), strict=True):
        assert torch.equal(mine, theirs)


@cases
def test_a_wrong_shape_is_named(key, shapes):
    model, (x, y) = built(key, shapes), batch(shapes)
    with pytest.raises(DataError, match="cannot take this"):
        model.latent(x[:, :0], y)
    z = model.latent(x, y)[0]
    with pytest.raises(DataError, match="observation y"):
        model.inverse(z, None if shapes.y else x)
    if shapes.y:
        with pytest.raises(DataError, match="one row of y for each point"):
            model.inverse(z, y[:3])
        with pytest.raises(DataError, match="observation y"):
            model.inverse(z, y[:, :0])


@densities
def test_density_integrates_to_one(key, shapes):
    if shapes.x > 2:
        pytest.skip("a grid is for one or two dimensions")
    model, (_, y) = built(key, shapes), batch(shapes, 1)
    with torch.no_grad():
        z = torch.randn(4000, shapes.x, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        x = model.inverse(z, None if y is None else y.expand(4000, -1))[0]
    centre, reach = x.mean(0), 1.6 * (x - x.mean(0)).abs().amax(0)
    window = [(float(c - r), float(c + r)) for c, r in zip(centre, reach, strict=True)]
    total = integral(lambda p: model.log_prob(p, None if y is None else y.expand(p.shape[0], -1)), window,
                     20_000 if shapes.x == 1 else 300 if numerical(key) else 400)
    assert total == pytest.approx(1.0, abs=2e-3)


@densities
def test_density_is_that_of_the_latent_by_change_of_variables(key, shapes):
    model, (x, y) = built(key, shapes), batch(shapes)
    z, log_det = model.latent(x, y)
    normal = torch.distributions.Normal(torch.zeros(shapes.x), torch.ones(shapes.x))
    assert torch.allclose(model.log_prob(x, y), normal.log_prob(z).sum(-1) + log_det, atol=1e-10)


@cases
def test_an_observation_is_listened_to(key, shapes):
    if shapes.y == 0:
        pytest.skip("no observation")
    model, (x, y) = built(key, shapes), batch(shapes)
    z = torch.randn(x.shape[0], model.latent_features, dtype=x.dtype)
    for column in range(shapes.y):
        other = y.clone()
        other[:, column] += 1.0
        assert ((model.inverse(z, y)[0] - model.inverse(z, other)[0]).abs().amax(-1) > 0).all()
