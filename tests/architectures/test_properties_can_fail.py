"""Each property is tested on a network that violates it, so that the test is known to fail when it must."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.architectures import properties
from workbench.core.shapes import Shapes

SHAPES = Shapes(2, 0)


@pytest.fixture
def model():
    return properties.build_model("realnvp", SHAPES, transforms=2, width=8)


@pytest.fixture
def both(model):
    there, back, _ = properties.directions(model, None)
    return there, back


@pytest.fixture
def some():
    return properties.batch(SHAPES, 6)[0]


def test_an_inverse_that_is_a_little_off_is_caught(both, some):
    there, back = both

    def off(z):
        x, log_det = back(z)
        return x * (1 + 1e-7), log_det

    assert (
        properties.round_trip_error(there, back, some) < 1e-9 < properties.round_trip_error(there, off, some)
    )
    assert properties.round_trip_error(off, there, some) > 1e-9


def test_a_log_det_that_is_a_little_off_is_caught(both, some):
    there, back = both

    def off(x):
        z, log_det = there(x)
        return z, log_det * (1 + 1e-6)

    assert properties.log_det_error(there, some) < 1e-9 < properties.log_det_error(off, some)
    assert properties.opposite_log_dets_error(off, back, some) > 1e-9


def test_a_log_det_of_the_wrong_sign_is_caught(both, some):
    there, back = both
    wrong = lambda z: (back(z)[0], -back(z)[1])  # noqa: E731
    assert properties.log_det_error(wrong, some) > 1e-3
    assert properties.opposite_log_dets_error(there, wrong, some) > 1e-3


def test_a_parameter_without_gradient_is_caught(model, some):
    model.dead, model.zeroed = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    loss = model.log_prob(some, None).sum() + (0 * model.zeroed).sum()
    assert properties.unreached(model, loss) == ["dead", "zeroed"]


def test_a_network_that_normalises_over_its_batch_is_caught(both, some):
    there, _ = both
    centring = lambda x: (there(x)[0] - there(x)[0].mean(0), there(x)[1])  # noqa: E731
    assert properties.batch_dependence(there, some) < 1e-10 < properties.batch_dependence(centring, some)


def test_a_network_that_draws_is_caught(both, some):
    there, _ = both
    assert properties.draws_random_numbers(lambda: there(some + torch.randn_like(some)))


def test_a_density_that_is_not_normalised_is_caught(model):
    window = [(-12.0, 12.0), (-12.0, 12.0)]
    assert properties.integral(lambda x: model.log_prob(x, None), window, 300) == pytest.approx(1.0, abs=2e-3)
    larger = lambda x: model.log_prob(x, None) + 0.01  # noqa: E731
    assert properties.integral(larger, window, 300) != pytest.approx(1.0, abs=2e-3)
    without = lambda x: model.log_prob(x, None) - model.latent(x, None)[1]  # noqa: E731
    assert properties.integral(without, window, 300) != pytest.approx(1.0, abs=2e-3)


def test_samples_of_another_density_are_caught(model):
    z = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        x = model.inverse(z, None)[0]
        log_prob = lambda p: model.log_prob(p, None)  # noqa: E731
        mean, error = properties.mass_by_samples(log_prob, x)
        assert abs(mean - 1) < 5 * error < 0.1
        wider, error = properties.mass_by_samples(log_prob, model.inverse(1.1 * z, None)[0])
        assert abs(wider - 1) > 5 * error
        larger, error = properties.mass_by_samples(lambda p: log_prob(p) + 0.1, x)
        assert abs(larger - 1) > 5 * error
