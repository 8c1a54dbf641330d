"""A star that a planet pulls along: Kepler's equation, the likelihood, and draws that an exact law judges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import solve_ivp

from workbench.core.errors import DataError
from workbench.problems import PROBLEMS
from workbench.problems.ensemble_sampler import ensemble_draws, resampled
from workbench.problems.inverse import radial_velocity
from workbench.problems.inverse.kepler import eccentric_anomaly, velocity_parts
from workbench.problems.inverse.radial_velocity import ERRORS, MIDDLE, NIGHTS, RadialVelocity
from workbench.snapshots.arrays.curves import PLACES, curves

TIMES = torch.tensor(NIGHTS, dtype=torch.float64)
BOTH = ("components", "physical")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planet(coordinates: str = "components") -> RadialVelocity:
    return PROBLEMS.make("radial_velocity", coordinates=coordinates)


def orbit(**changes) -> torch.Tensor:
    """One row of physical parameters."""
    values = {"P": 13.2, "K": 6.0, "e": 0.3, "omega": 2.0, "longitude": 1.0, "gamma": 3.0, "s": 2.0} | changes
    return torch.tensor([list(values.values())], dtype=torch.float64)


# Kepler's equation -------------------------------------------------------------------------------------
@pytest.mark.parametrize("eccentricity", [0.0, 0.1, 0.8, 0.99, 1 - 1e-9])
def test_keplers_equation_is_solved_to_the_last_digits(eccentricity):
    mean = torch.linspace(-30, 30, 20_001, dtype=torch.float64)
    e = torch.tensor(eccentricity, dtype=torch.float64)
    found = eccentric_anomaly(mean, e)
    assert (found - e * found.sin() - mean).abs().max() < 1e-14
    if eccentricity == 0.0:
        torch.testing.assert_close(found, mean, rtol=0, atol=1e-15)


def test_keplers_equation_is_solved_in_single_precision():
    mean = torch.linspace(-3, 3, 5001)
    found = eccentric_anomaly(mean, torch.tensor(0.8))
    assert found.dtype == torch.float32
    assert (found - 0.8 * found.sin() - mean).abs().max() < 2e-6


def test_keplers_equation_has_right_first_and_second_derivatives():
    generator = seeded(1)
    mean = (8 * torch.rand(12, generator=generator, dtype=torch.float64) - 4).requires_grad_()
    e = (0.8 * torch.rand(12, generator=generator, dtype=torch.float64)).requires_grad_()
    found = eccentric_anomaly(mean, e)
    slopes = torch.autograd.grad(found.sum(), (mean, e))
    rate = 1 / (1 - e * found.cos())
    torch.testing.assert_close(slopes[0], rate)
    torch.testing.assert_close(slopes[1], rate * found.sin())
    assert torch.autograd.gradgradcheck(eccentric_anomaly, (mean, e))


def test_the_velocity_is_that_of_a_body_that_newtons_law_moves():
    """r'' = -r/|r|³ from periastron, semi-major axis 1: the velocity along a line of sight."""
    e, omega = 0.6, 0.7
    start = [1 - e, 0.0, 0.0, math.sqrt((1 + e) / (1 - e))]
    times = np.linspace(0, 2 * math.pi, 50)
    path = solve_ivp(
        lambda t, s: [*s[2:], *(-s[:2] / np.hypot(*s[:2]) ** 3)], (0, times[-1]), start,
        t_eval=times, rtol=1e-11, atol=1e-12, method="DOP853",
    ).y  # fmt: skip
    along = path[2] * math.sin(omega) + path[3] * math.cos(omega)
    first, second = velocity_parts(torch.from_numpy(times), torch.tensor(e, dtype=torch.float64))
    amplitude = 1 / math.sqrt(1 - e**2)  # n a / √(1 - e²) with n = a = 1
    ours = amplitude * (math.cos(omega) * first + math.sin(omega) * second)
    np.testing.assert_allclose(ours.numpy(), along, atol=1e-8)


# the problem -------------------------------------------------------------------------------------------
def test_a_circular_orbit_is_a_cosine():
    x, times = orbit(e=0.0), torch.linspace(0, 60, 200, dtype=torch.float64)
    wave = 3.0 + 6.0 * (2 * math.pi * (times - MIDDLE) / 13.2 + 1.0).cos()
    torch.testing.assert_close(planet("physical").curve(x, times)[0], wave, rtol=0, atol=1e-12)
    vectors = torch.tensor(
        [[13.2, 6 * math.cos(1.0), 6 * math.sin(1.0), 0.0, 0.0, 3.0, 2.0]], dtype=torch.float64
    )
    torch.testing.assert_close(planet().curve(vectors, times)[0], wave, rtol=0, atol=1e-9)


def test_both_coordinates_name_the_same_orbits():
    drawn = planet().draw(500, seeded(2))
    angles = planet("physical").draw(500, seeded(2))
    torch.testing.assert_close(planet().physical(drawn.x), angles.x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(drawn.y, angles.y, rtol=1e-9, atol=1e-9)


def test_the_log_densities_differ_by_the_jacobian():
    """(K, λ) -> K (cos λ, sin λ) has determinant K, (e, ω) -> √e (cos ω, sin ω) has 1/2."""
    drawn, angles = planet().draw(200, seeded(2)), planet("physical").draw(200, seeded(2)).x
    difference = planet("physical").log_joint(angles, drawn.y) - planet().log_joint(drawn.x, drawn.y)
    torch.testing.assert_close(difference, (angles[:, 1] / 2).log(), rtol=0, atol=1e-8)


def test_the_log_joint_is_prior_times_gaussians():
    drawn = planet("physical").draw(20, seeded(3))
    curve = planet("physical").curve(drawn.x, TIMES).numpy()
    period, amplitude, _, _, _, velocity, jitter = drawn.x.numpy().T
    expected = stats.norm.logpdf(drawn.y, curve, np.hypot(jitter[:, None], ERRORS)).sum(1)
    expected += stats.loguniform.logpdf(period, 8, 24) + stats.rayleigh.logpdf(amplitude, scale=12)
    expected += stats.norm.logpdf(velocity, 0, 10) + stats.lognorm.logpdf(jitter, 0.5, scale=2)
    expected -= math.log(0.8) + 2 * math.log(2 * math.pi)
    np.testing.assert_allclose(planet("physical").log_joint(drawn.x, drawn.y), expected, rtol=1e-10)


@pytest.mark.parametrize("coordinates", BOTH)
def test_the_log_joint_is_finite_inside_alone_and_has_its_gradient(coordinates):
    problem = planet(coordinates)
    drawn = problem.draw(6, seeded(4))
    x = drawn.x.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: problem.log_joint(x, drawn.y), x)
    for column, value in ((0, 7.9), (0, 24.1), (3, 3.0 if coordinates == "components" else -0.1), (6, -1.0)):
        outside = drawn.x.clone()
        outside[0, column] = value
        outside.requires_grad_()
        values = problem.log_joint(outside, drawn.y)
        assert values[0] == -math.inf and values[1:].isfinite().all()
        (gradient,) = torch.autograd.grad(values[1:].sum(), outside)
        assert gradient.isfinite().all()


def test_draws_follow_the_prior():
    period, amplitude, e, omega, longitude, velocity, jitter = (
        planet("physical").draw(4000, seeded(5)).x.numpy().T
    )
    for values, law in (
        (period, stats.loguniform(8, 24)),
        (amplitude, stats.rayleigh(scale=12)),
        (e, stats.uniform(0, 0.8)),
        (omega, stats.uniform(0, 2 * math.pi)),
        (longitude, stats.uniform(0, 2 * math.pi)),
        (velocity, stats.norm(0, 10)),
        (jitter, stats.lognorm(0.5, scale=2)),
    ):
        assert stats.kstest(values, law.cdf).pvalue > 1e-3


def test_simulations_have_the_curve_as_mean_and_both_noises():
    problem, n = planet("physical"), 40_000
    x = orbit()
    y = problem.simulate(x.expand(n, -1), seeded(6))
    spread = torch.hypot(torch.tensor(ERRORS, dtype=torch.float64), torch.tensor(2.0))
    curve = problem.curve(x, TIMES)[0]
    assert ((y.mean(0) - curve).abs() / spread * math.sqrt(n)).max() < 4.5
    assert (y.std(0) / spread - 1).abs().max() < 4.5 / math.sqrt(2 * n)
    assert (torch.corrcoef(y.T) - torch.eye(len(NIGHTS))).abs().max() < 5 / math.sqrt(n)


def test_draws_of_a_network_beyond_the_prior_still_give_a_curve():
    x = torch.tensor([[13.0, 5.0, 5.0, 0.9, 0.9, 0.0, 1.0]], dtype=torch.float64)
    assert planet().curve(x, TIMES).isfinite().all()


# the reference posterior -------------------------------------------------------------------------------
def collapsed_draws(n: int, seed: int) -> torch.Tensor:
    period, _, e, omega, longitude, _, jitter = radial_velocity.prior_draw(n, seeded(seed))
    return radial_velocity.collapsed(period, e, longitude - omega, jitter)


def test_the_linear_part_leaves_in_closed_form():
    """log p(y | u) is the density of N(0, D + Φ Λ Φᵀ), written out in full."""
    problem, y = planet("physical"), planet().draw(1, seeded(7)).y[0]
    u = collapsed_draws(5, 7)
    found = radial_velocity.marginal_log_likelihood(u, y)
    for row, value in zip(u, found, strict=True):
        period, jitter = row[0].exp(), row[3].exp()
        e, anomaly = row[1:3].square().sum(), torch.atan2(row[2], row[1])
        columns = [
            problem.curve(orbit(P=period, K=1.0, e=e, omega=o, longitude=anomaly + o, gamma=0.0), TIMES)[0]
            for o in (0.0, math.pi / 2)
        ]
        design = torch.stack([*columns, torch.ones(len(NIGHTS), dtype=torch.float64)], 1).numpy()
        covariance = (
            np.diag(np.square(ERRORS) + float(jitter) ** 2) + design @ np.diag([144, 144, 100.0]) @ design.T
        )
        expected = stats.multivariate_normal.logpdf(y.numpy(), cov=covariance)
        assert float(value) == pytest.approx(expected, rel=1e-10)


def test_walkers_follow_a_posterior_known_on_a_grid():
    """Period and jitter, the orbit circular: two modes, and the sampler alone to find their weights."""
    y = torch.tensor(planet().default_observation, dtype=torch.float64)

    def log_density(pair):
        zero = torch.zeros_like(pair[:, :1])
        return radial_velocity.collapsed_log_density(torch.cat([pair[:, :1], zero, zero, pair[:, 1:]], 1), y)

    sides = [torch.linspace(low, high, size + 1).double() for low, high, size in
             ((math.log(8.0), math.log(24.0), 600), (-1.0, 2.5, 60))]  # fmt: skip
    centres = [0.5 * (side[1:] + side[:-1]) for side in sides]
    grid = log_density(torch.cartesian_prod(*centres)).reshape(600, 60)
    weight = (grid - grid.logsumexp((0, 1))).exp()
    start = torch.rand(4000, 2, generator=seeded(8), dtype=torch.float64)
    start = start * torch.tensor([math.log(3.0), 3.5]) + torch.tensor([math.log(8.0), -1.0])
    walkers = resampled(start, log_density(start), 500, seeded(8))
    drawn = ensemble_draws(log_density, walkers, 1000, seeded(8))
    for column, (side, known) in enumerate(zip(sides, (weight.sum(1), weight.sum(0)), strict=True)):
        level = np.interp(
            drawn[:, column].numpy(), side.numpy(), np.concatenate([[0], known.cumsum(0).numpy()])
        )
        assert stats.kstest(level, "uniform").statistic < 1.95 / math.sqrt(500)


def test_the_reference_agrees_with_weighted_draws_of_the_prior():
    """An independent exact answer: 200,000 draws of the prior, weighted; no walker is involved."""
    y = torch.tensor(planet().default_observation, dtype=torch.float64)
    rows = collapsed_draws(200_000, 9)
    weight = torch.cat([radial_velocity.marginal_log_likelihood(part, y) for part in rows.split(4000)])
    assert 1 / (weight - weight.logsumexp(0)).exp().square().sum() > 1000
    chosen = resampled(rows, weight, 4000, seeded(9))
    exact = torch.stack(radial_velocity.complete(chosen, y, seeded(10)), 1)
    found = planet("physical").reference_posterior(y, 1000, seeded(11))
    exact[:, 3:5] = exact[:, 3:5].remainder(2 * math.pi)
    for column in range(7):
        assert stats.ks_2samp(found[:, column], exact[:, column]).statistic < 0.08
    aliases = ((found[:, 0] > 8) & (found[:, 0] < 10)).double().mean()
    assert 0.6 < aliases < 0.8


def test_velocities_in_another_unit_have_no_reference():
    observed = torch.tensor(radial_velocity.DEFAULT, dtype=torch.float64)
    for factor in (30, 1000):
        with pytest.raises(DataError, match="unexplained"):
            planet().reference_posterior(factor * observed, 50, seeded())
    assert len(planet().reference_posterior(3 * observed, 50, seeded())) == 50


@pytest.mark.slow
def test_ranks_of_the_truth_among_its_reference_are_uniform():
    problem, replicates, draws = planet("physical"), 100, 19
    truth = problem.draw(replicates, seeded(12))
    ranks = torch.stack(
        [
            (problem.reference_posterior(y, draws, seeded(i)) < x).sum(0)
            for i, (x, y) in enumerate(zip(truth.x, truth.y, strict=True))
        ]
    )
    for column in range(7):
        counts = torch.bincount(ranks[:, column] // 4, minlength=5).numpy()
        assert stats.chisquare(counts).pvalue > 1e-4


# what is drawn of it -----------------------------------------------------------------------------------
def test_it_is_folded_at_the_period_of_most_draws():
    problem, star = planet(), torch.tensor(planet().default_observation, dtype=torch.float64)
    known = planet("physical")._from_physical(*radial_velocity.prior_draw(20, seeded(1)))
    known[:, 0] = torch.tensor([12.4] * 6 + [8.8] * 14, dtype=torch.float64)
    x = problem._from_physical(*known.T)
    found = curves(problem, {"observation": star.numpy(), "posterior_x": x.numpy()})
    assert float(found["fold_period"]) == pytest.approx(8.8) and float(found["fold_share"]) == 0.7
    assert found["fold"].shape == (14, PLACES // 2) and found["curve"].shape == (20, PLACES)
    # less their own systemic velocities, phase zero in the middle of the nights
    moments = 29.45 + 8.8 * torch.linspace(-0.5, 0.5, PLACES // 2, dtype=torch.float64)
    np.testing.assert_allclose(found["fold"], problem.curve(x[6:], moments) - x[6:, 5:6], atol=1e-9)
    turns = (torch.tensor(NIGHTS) - 29.45) / 8.8
    np.testing.assert_allclose(found["fold_phases"], turns - turns.round(), atol=1e-5)
