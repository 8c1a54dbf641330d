"""A ball thrown with air resistance, and the wave on a square: forward maps and exact posteriors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from tests.problems.test_posteriors import mmd_is_small, ranks_are_uniform, seeded
from workbench.core.errors import DataError
from workbench.problems import PROBLEMS
from workbench.problems.inverse.inverse_ballistics import DRAG, GRAVITY, MASS, impact_time


@pytest.fixture(
    params=[(False, False), (True, False), (True, True)], ids=["published", "dequantised", "whole throws"]
)
def ballistics(request):
    return PROBLEMS.make("inverse_ballistics", dequantised=request.param[0], whole_throws=request.param[1])


# ballistics -------------------------------------------------------------------------------------------------
def test_impact_time_agrees_with_lamberts_function():
    samples = PROBLEMS.make("inverse_ballistics").draw(3000, seeded()).x
    height, rise = samples[:, 1], samples[:, 3] * samples[:, 2].sin()
    lift, level = 1 + DRAG * rise / (GRAVITY * MASS), height * DRAG**2 / (GRAVITY * MASS**2)
    root = special.lambertw(-(lift * (-level - lift).exp()).numpy()).real
    reference = (level + lift + torch.from_numpy(root)) * MASS / DRAG
    torch.testing.assert_close(impact_time(height, rise), reference, rtol=1e-9, atol=1e-9)


def test_the_ball_is_on_the_ground_at_impact_also_where_the_prior_does_not_go():
    generator = seeded(1)
    height = 5 * torch.rand(2000, generator=generator, dtype=torch.float64)
    rise = 60 * torch.rand(2000, generator=generator, dtype=torch.float64) - 30  # also thrown downwards
    x = torch.stack([torch.zeros(2000), height, torch.full((2000,), math.pi / 2), rise], 1).double()
    path = PROBLEMS.make("inverse_ballistics").flight(x, 40)
    assert path[:, -1, 1].abs().max() < 1e-9 and (path[:, :, 1] > -1e-9).all()
    torch.testing.assert_close(path[:, 0, 1], height)


def test_a_ball_that_stays_below_the_ground_lands_at_its_peak():
    height, rise = torch.tensor([-5.0, -1.0, -1.0]).double(), torch.tensor([2.0, 0.0, -3.0]).double()
    peak = MASS / DRAG * math.log(1 + DRAG * 2.0 / (GRAVITY * MASS))
    torch.testing.assert_close(impact_time(height, rise), torch.tensor([peak, 0.0, 0.0]).double())
    risen = impact_time(torch.tensor([-0.1]).double(), torch.tensor([10.0]).double())
    assert risen > MASS / DRAG * math.log(1 + DRAG * 10.0 / (GRAVITY * MASS))


def test_impact_time_without_drag_is_that_of_free_fall(monkeypatch):
    monkeypatch.setattr("workbench.problems.inverse.inverse_ballistics.DRAG", 1e-4)
    time = impact_time(torch.tensor([2.0]).double(), torch.tensor([7.0]).double())
    assert float(time) == pytest.approx((7 + math.sqrt(49 + 4 * GRAVITY)) / GRAVITY, rel=1e-3)


def test_the_place_of_impact_has_exact_derivatives(ballistics):
    x = ballistics.draw(20, seeded(2)).x.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: ballistics.simulate(v, seeded()), x)
    assert torch.autograd.gradgradcheck(lambda v: ballistics.simulate(v, seeded()), x)
    below = torch.tensor([[0.0, -5.0, 1.0, 2.0], [0.0, 0.0, 1.0, 0.0]]).double().requires_grad_()
    (gradient,) = torch.autograd.grad(ballistics.simulate(below, seeded()).sum(), below)
    assert gradient.isfinite().all()


def test_places_have_their_published_moments():
    samples = PROBLEMS.make("inverse_ballistics").draw(100_000, seeded())
    assert float(samples.y.mean()) == pytest.approx(6.79, abs=0.03)
    assert float(samples.y.std()) == pytest.approx(3.12, abs=0.03)
    assert float(2 * samples.y.var()) == pytest.approx(19.5, abs=0.4)
    assert torch.equal(samples.x[:, 3], samples.x[:, 3].round())
    assert 0.0005 < float((samples.x[:, 1] == 0).double().mean()) < 0.003


def test_dequantised_speeds_are_spread_over_one():
    speed = PROBLEMS.make("inverse_ballistics", dequantised=True).draw(20_000, seeded()).x[:, 3]
    assert stats.kstest((speed + 0.5).remainder(1).numpy(), "uniform").pvalue > 1e-3
    torch.testing.assert_close(speed.mean(), torch.tensor(15.0).double(), atol=0.15, rtol=0)


def test_a_whole_throw_is_the_published_one_with_a_label_that_rounds_back():
    original = PROBLEMS.make("inverse_ballistics")
    samples = PROBLEMS.make("inverse_ballistics", dequantised=True, whole_throws=True).draw(2000, seeded())
    whole = samples.x.clone()
    whole[:, 3] = whole[:, 3].round()
    assert not torch.equal(whole, samples.x)
    torch.testing.assert_close(original.simulate(whole, seeded()), samples.y, rtol=0, atol=0)


def near(problem, target: float, epsilon: float, count: int, tries: int) -> torch.Tensor:
    """Prior draws that come within ``epsilon`` of the target."""
    generator, parts = seeded(5), []
    for _ in range(tries):
        samples = problem.draw(500_000, generator)
        parts.append(samples.x[(samples.y[:, 0] - target).abs() < epsilon])
        if sum(map(len, parts)) >= count:
            break
    return torch.cat(parts)[:count]


@pytest.mark.parametrize("place, epsilon", [(5.0, 0.005), (1.0, 0.02), (12.0, 0.02)])
def test_throws_agree_with_rejection_sampling(ballistics, place, epsilon):
    draws = near(ballistics, place, epsilon, 400, 3)
    assert len(draws) > 300
    exact = ballistics.reference_posterior((place,), len(draws), seeded(6))
    y = ballistics.simulate(exact, seeded())
    assert (y - place).abs().max() < 1e-9
    for column in range(4):
        assert stats.ks_2samp(draws[:, column].numpy(), exact[:, column].numpy()).pvalue > 1e-3
    assert mmd_is_small(draws, exact)


def test_throws_without_weights_are_detected():
    problem = PROBLEMS.make("inverse_ballistics")
    x = problem.draw(400, seeded(7)).x
    x[:, 0] += 5.0 - problem.simulate(x, seeded())[:, 0]
    assert not mmd_is_small(near(problem, 5.0, 0.005, 400, 3), x)


def test_ranks_of_the_truth_are_uniform_among_throws(ballistics):
    assert (
        ranks_are_uniform(ballistics, (0, 2, 3) if ballistics.dequantised else (0, 2), replicates=60) > 1e-3
    )


def test_places_out_of_reach_are_refused(monkeypatch):
    monkeypatch.setattr("workbench.problems.inverse.inverse_ballistics._BATCHES", 2)
    with pytest.raises(DataError, match="reach"):
        PROBLEMS.make("inverse_ballistics").reference_posterior((80.0,), 10, seeded())


# the wave ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("height", [1.0, 1e-6, -0.4, 1.95])
def test_points_of_the_wave_have_its_height(height):
    problem = PROBLEMS.make("sine_wave")
    x = problem.reference_posterior((height,), 2000, seeded())
    assert (problem.simulate(x, seeded()) - height).abs().max() < 1e-7
    assert (x.abs() <= 1).all() and len(x.unique(dim=0)) == len(x)


@pytest.mark.parametrize("height", [0.3, 1.0, -1.6])
def test_the_wave_posterior_agrees_with_rejection_sampling(height):
    problem = PROBLEMS.make("sine_wave")
    draws = near(problem, height, 0.003, 400, 4)
    assert len(draws) == 400
    exact = problem.reference_posterior((height,), len(draws), seeded(8))
    for column in range(2):
        assert stats.ks_2samp(draws[:, column].numpy(), exact[:, column].numpy()).pvalue > 1e-3
    assert mmd_is_small(draws, exact)


@pytest.mark.parametrize("height", [0.1, -0.3])
def test_the_first_wave_agrees_with_rejection_sampling(height):
    problem = PROBLEMS.make("sine_wave")
    draws = near(problem, height, 0.004, 5000, 6)
    exact = problem.reference_posterior((height,), 20_000, seeded(8))
    first, second = ((3 * math.pi * x[:, 0]).sin().numpy() for x in (draws, exact))
    assert len(first) > 3000 and stats.ks_2samp(first, second).pvalue > 1e-3
    # draws that ignore the distribution of the second wave (arcsine s) are detected
    middle = 0.5 * height
    careless = middle + (1 - abs(middle)) * np.sin(math.pi * (np.random.default_rng(0).random(20_000) - 0.5))
    assert stats.ks_2samp(first, careless).pvalue < 1e-3


def test_ranks_of_the_truth_are_uniform_on_the_wave():
    assert ranks_are_uniform(PROBLEMS.make("sine_wave"), (0, 1)) > 1e-3


@pytest.mark.parametrize("height", [0.0, 2.5, -2.0])
def test_a_height_without_posterior_is_refused(height):
    with pytest.raises(DataError, match="does not exist"):
        PROBLEMS.make("sine_wave").reference_posterior((height,), 10, seeded())


def test_each_of_the_hills_is_visited():
    x = PROBLEMS.make("sine_wave").reference_posterior((1.5,), 2000, seeded()).numpy()
    # hills of sin(3π x₁) at -1/2, 1/6, 5/6; of cos(3π x₂) at -2/3, 0, 2/3
    hills = {(int(np.abs(np.array([-1 / 2, 1 / 6, 5 / 6]) - a).argmin()), round(b * 1.5)) for a, b in x}
    assert len(hills) == 9
