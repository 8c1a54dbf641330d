"""Properties of every architecture for several shapes, one property a test."""

from __future__ import annotations

import pytest
import torch

from tests.architectures.properties import (
    CASES,
    SLOWEST,
    batch,
    batch_dependence,
    build_model,
    directions,
    draws_random_numbers,
    has,
    integral,
    log_det_error,
    loss_of,
    mass_by_samples,
    name_of,
    numerical,
    opposite_log_dets_error,
    parametrize_cases,
    round_trip_error,
    tolerance,
    unreached,
    with_capabilities,
)
from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.model import standard_normal_log_density
from workbench.objectives import Batch

cases = parametrize_cases(CASES)
# a flow with a decoder is one, apart from the decoder
bijections = parametrize_cases(
    with_capabilities(Capability.BIJECTION)
    + with_capabilities(Capability.JOINT_LIKELIHOOD, Capability.DECODER)
)
#: capability -> objective of the members that have one of their own
OWN = {
    Capability.VELOCITY: "flow_matching",
    Capability.EVIDENCE: "evidence_lower_bound",
    Capability.TIED: "reconstruction",
    Capability.DECODER: "reconstruction",
}
densities = parametrize_cases(with_capabilities(Capability.DENSITY))
there_and_back = parametrize_cases(
    [case for case in with_capabilities(Capability.LATENT) if tolerance(case[0]) < 1]
)


def points(model, y, rows=32, scale=1.0):
    """Both directions, and points of the bijection's own width."""
    there, back, width = directions(model, y)
    generator = torch.Generator().manual_seed(2)
    return there, back, scale * torch.randn(rows, width, generator=generator, dtype=torch.float64)


@there_and_back
def test_data_to_latent_and_back(key, shapes):
    there, back, some = points(build_model(key, shapes), batch(shapes)[1], scale=2.0)
    assert round_trip_error(there, back, some) < tolerance(key)


@there_and_back
def test_latent_to_data_and_back(key, shapes):
    there, back, some = points(build_model(key, shapes), batch(shapes)[1], scale=2.0)
    assert round_trip_error(back, there, some) < tolerance(key)


@there_and_back
def test_round_trips_in_single_precision(key, shapes):
    y = batch(shapes)[1]
    there, back, some = points(build_model(key, shapes).float(), None if y is None else y.float())
    assert there(some.float())[0].dtype == torch.float32
    limit = max(2e-3, 2 * tolerance(key))
    assert round_trip_error(there, back, some.float()) < limit
    assert round_trip_error(back, there, some.float()) < limit


@bijections
def test_log_det_is_that_of_the_jacobian(key, shapes):
    there, _, some = points(build_model(key, shapes), batch(shapes)[1], rows=2 if numerical(key) else 4)
    assert log_det_error(there, some) < tolerance(key)


@bijections
def test_log_det_of_the_inverse_is_that_of_its_jacobian(key, shapes):
    _, back, some = points(build_model(key, shapes), batch(shapes)[1], rows=2 if numerical(key) else 4)
    assert log_det_error(back, some) < tolerance(key)


@bijections
def test_log_dets_of_the_two_directions_are_opposite(key, shapes):
    there, back, some = points(build_model(key, shapes), batch(shapes)[1])
    assert opposite_log_dets_error(there, back, some) < tolerance(key)


@pytest.mark.parametrize(
    ("key", "shapes"), [case for case in CASES if any(has(case[0], c) for c in OWN)], ids=name_of
)
def test_gradient_reaches_every_parameter_through_the_loss_of_its_own(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    objective = next(name for need, name in OWN.items() if has(key, need))
    if has(key, Capability.JOINT_LIKELIHOOD):
        objective = "maximum_likelihood"
    loss = loss_of(objective, model, shapes)
    parts = loss.parts(model, Batch(x, y), torch.Generator().manual_seed(0))
    assert all(part.shape == () and part.isfinite() for part in parts.values())
    assert unreached(model, loss.total(parts, 1.0)) == []


@parametrize_cases(with_capabilities(Capability.BIJECTION))
def test_gradient_reaches_every_parameter_through_the_latent(key, shapes):
    model = build_model(key, shapes)
    there, _, some = points(model, batch(shapes)[1])  # padding that is noise, for zeros reach no first layer
    z, log_det = there(some)
    assert unreached(model, (standard_normal_log_density(z) + log_det).sum()) == []


@parametrize_cases(with_capabilities(Capability.REPARAMETERISED))
def test_gradient_reaches_every_parameter_through_samples(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = torch.randn(x.shape[0], model.latent_features, dtype=x.dtype)
    back, log_det = model.inverse(z, y)
    names = unreached(model, back.square().sum() + (0 if log_det is None else log_det.sum()))
    # noise that is a model's own moves no mean, and an encoder takes no part in a draw
    assert names == []


@densities
def test_gradient_reaches_every_parameter_through_the_density(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    assert unreached(model, model.log_prob(x, y).sum()) == []


@cases
def test_a_point_does_not_depend_on_its_batch(key, shapes):
    y = batch(shapes)[1]
    rows = 3 if numerical(key) else 8
    model, y = build_model(key, shapes), None if y is None else y[:1].expand(rows, -1)
    for direction, width in functions(model, y):
        some = torch.randn(rows, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        assert batch_dependence(direction, some) < min(1e-2, tolerance(key))


def functions(model, y):
    """Functions of rows that the model has, with the width of the rows."""
    if hasattr(model, "forward_full"):
        return [(model.forward_full, model.width), (model.inverse_full, model.width)]
    context = lambda p: None if y is None else y[: len(p)]  # noqa: E731
    directions = [(lambda z: present(model.inverse(z, context(z))), model.latent_features)]
    if Capability.LATENT in model.capabilities:
        directions.append((lambda x: present(model.latent(x, context(x))), model.features))
    if Capability.DENSITY in model.capabilities:
        directions.append((lambda x: [model.log_prob(x, context(x))], model.features))
    return directions


def present(values):
    return [value for value in values if value is not None]


def outputs(model, x, y, z):
    """Outputs of a model for points and for latents, in one list."""
    values = present(model.inverse(z, y))
    values += present(model.latent(x, y)) if Capability.LATENT in model.capabilities else []
    return values + ([model.log_prob(x, y)] if Capability.DENSITY in model.capabilities else [])


def normal(model, rows=32):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(rows, model.latent_features, generator=generator, dtype=torch.float64)


@cases
def test_no_random_numbers_are_drawn_after_construction(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = normal(model)
    assert not draws_random_numbers(lambda: (outputs(model, x, y, z), model.stages(z, y)))


@cases
def test_both_precisions_on_one_device(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = normal(model)
    exact = outputs(model, x, y, z)
    rough = outputs(model.float(), x.float(), None if y is None else y.float(), z.float())
    for one, other in zip(exact, rough, strict=True):
        assert (one.dtype, other.dtype) == (torch.float64, torch.float32)
        assert one.device == other.device == model.device and one.shape == other.shape


@cases
def test_stages_lead_from_the_latent_to_the_data(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = model.latent(x, y)[0] if has(key, Capability.LATENT) else normal(model)
    stages = model.stages(z, y)
    columns = min(2, shapes.x, model.latent_features)
    assert len(stages) >= (3 if has(key, Capability.BIJECTION) else 2)
    assert all(s.shape[0] == x.shape[0] and s.shape[1] >= columns for s in stages)
    assert torch.equal(stages[0][:, : model.latent_features], z)
    assert torch.equal(stages[-1], model.inverse(z, y)[0])


@cases
def test_a_draw_is_the_inverse_for_many_observations_and_for_one(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = normal(model, len(x))
    with torch.no_grad():
        assert torch.allclose(model.draw(z, y), model.inverse(z, y)[0], rtol=1e-9, atol=1e-9)
        if y is not None:
            common = model.inverse(z, y[:1].expand(len(z), -1))[0]
            assert torch.allclose(model.draw(z, y[:1]), common, rtol=1e-9, atol=1e-9)


@cases
def test_same_seed_same_parameters(key, shapes):
    one, same, other = (build_model(key, shapes, seed=s).state_dict() for s in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@cases
def test_weights_go_to_a_file_and_back(key, shapes, tmp_path):
    model, other, (x, y) = build_model(key, shapes), build_model(key, shapes, seed=5), batch(shapes)
    z = normal(model)
    pairs = zip(outputs(model, x, y, z), outputs(other, x, y, z), strict=True)
    assert not any(torch.equal(*pair) for pair in pairs)
    try:
        from safetensors.torch import load_file, save_file
    except ImportError:
        torch.save(model.state_dict(), tmp_path / "weights")
        weights = torch.load(tmp_path / "weights", weights_only=True)
    else:
        save_file(model.state_dict(), tmp_path / "weights")
        weights = load_file(tmp_path / "weights")
    other.load_state_dict(weights)
    for mine, theirs in zip(outputs(model, x, y, z), outputs(other, x, y, z), strict=True):
        assert torch.equal(mine, theirs)


@cases
def test_a_wrong_shape_is_named(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = normal(model)
    calls = [call for name, call in (("latent", model.latent), ("density", model.log_prob)) if has(key, name)]
    for call in calls:
        with pytest.raises(DataError, match="cannot take this"):
            call(x[:, :0], y)
    with pytest.raises(DataError, match="cannot take this"):
        model.inverse(z[:, :0], y)
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
    model, (_, y) = build_model(key, shapes), batch(shapes, 1)
    with torch.no_grad():
        count = 500 if numerical(key) else 4000
        z = normal(model, count)
        x = model.inverse(z, None if y is None else y.expand(count, -1))[0]
    centre, reach = x.mean(0), 1.6 * (x - x.mean(0)).abs().amax(0)
    window = [(float(c - r), float(c + r)) for c, r in zip(centre, reach, strict=True)]
    # an untrained neural autoregressive flow has a narrow peak and wide tails: its grid must be finer
    side = {"neural_autoregressive": 800, SLOWEST: 80}.get(key, 300 if numerical(key) else 400)
    total = integral(
        lambda p: model.log_prob(p, None if y is None else y.expand(p.shape[0], -1)),
        window,
        20_000 if shapes.x == 1 else side,
    )
    assert total == pytest.approx(1.0, abs=2e-3)


@densities
def test_samples_follow_the_density(key, shapes):
    model, (_, y) = build_model(key, shapes), batch(shapes, 1)
    rows = 2000 if numerical(key) else 20_000
    y = None if y is None else y.expand(rows, -1)
    with torch.no_grad():
        x = model.inverse(normal(model, rows), y)[0]
        mean, error = mass_by_samples(lambda p: model.log_prob(p, y), x)
    assert error < 0.1 and mean == pytest.approx(1.0, abs=5 * error)


@parametrize_cases(with_capabilities(Capability.DENSITY, Capability.BIJECTION))
def test_density_is_that_of_the_latent_by_change_of_variables(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z, log_det = model.latent(x, y)
    normal = torch.distributions.Normal(torch.zeros(shapes.x), torch.ones(shapes.x))
    assert torch.allclose(model.log_prob(x, y), normal.log_prob(z).sum(-1) + log_det, atol=1e-10)


@cases
def test_every_component_of_the_observation_changes_the_output(key, shapes):
    if shapes.y == 0:
        pytest.skip("no observation")
    model, (x, y) = build_model(key, shapes), batch(shapes)
    z = torch.randn(x.shape[0], model.latent_features, dtype=x.dtype)
    for column in range(shapes.y):
        other = y.clone()
        other[:, column] += 1.0
        assert ((model.inverse(z, y)[0] - model.inverse(z, other)[0]).abs().amax(-1) > 0).all()
