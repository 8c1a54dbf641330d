"""Exoplanet: Kepler's equation, the likelihood, and reference draws against exact distributions."""

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
from workbench.snapshots.velocity_curves import PLACES, velocity_curves

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
    anomaly = eccentric_anomaly(mean, e)
    assert (anomaly - e * anomaly.sin() - mean).abs().max() < 1e-14
    if eccentricity == 0.0:
        torch.testing.assert_close(anomaly, mean, rtol=0, atol=1e-15)


def test_keplers_equation_is_solved_in_single_precision():
    mean = torch.linspace(-3, 3, 5001)
    anomaly = eccentric_anomaly(mean, torch.tensor(0.8))
    assert anomaly.dtype == torch.float32
    assert (anomaly - 0.8 * anomaly.sin() - mean).abs().max() < 2e-6


def test_keplers_equation_has_right_first_and_second_derivatives():
    generator = seeded(1)
    mean = (8 * torch.rand(12, generator=generator, dtype=torch.float64) - 4).requires_grad_()
    e = (0.8 * torch.rand(12, generator=generator, dtype=torch.float64)).requires_grad_()
    anomaly = eccentric_anomaly(mean, e)
    slopes = torch.autograd.grad(anomaly.sum(), (mean, e))
    rate = 1 / (1 - e * anomaly.cos())
    torch.testing.assert_close(slopes[0], rate)
    torch.testing.assert_close(slopes[1], rate * anomaly.sin())
    assert torch.autograd.gradgradcheck(eccentric_anomaly, (mean, e))


def test_the_velocity_agrees_with_newtons_equation_of_motion():
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


def test_both_coordinates_describe_the_same_orbits():
    samples = planet().draw(500, seeded(2))
    angles = planet("physical").draw(500, seeded(2))
    torch.testing.assert_close(planet().physical(samples.x), angles.x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(samples.y, angles.y, rtol=1e-9, atol=1e-9)


def test_the_log_densities_differ_by_the_jacobian():
    """(K, λ) -> K (cos λ, sin λ) has determinant K, (e, ω) -> √e (cos ω, sin ω) has 1/2."""
    samples, angles = planet().draw(200, seeded(2)), planet("physical").draw(200, seeded(2)).x
    difference = planet("physical").log_joint(angles, samples.y) - planet().log_joint(samples.x, samples.y)
    torch.testing.assert_close(difference, (angles[:, 1] / 2).log(), rtol=0, atol=1e-8)


def test_the_log_joint_is_prior_times_gaussians():
    samples = planet("physical").draw(20, seeded(3))
    curve = planet("physical").curve(samples.x, TIMES).numpy()
    period, amplitude, _, _, _, velocity, jitter = samples.x.numpy().T
    reference = stats.norm.logpdf(samples.y, curve, np.hypot(jitter[:, None], ERRORS)).sum(1)
    reference += stats.loguniform.logpdf(period, 8, 24) + stats.rayleigh.logpdf(amplitude, scale=12)
    reference += stats.norm.logpdf(velocity, 0, 10) + stats.lognorm.logpdf(jitter, 0.5, scale=2)
    reference -= math.log(0.8) + 2 * math.log(2 * math.pi)
    np.testing.assert_allclose(planet("physical").log_joint(samples.x, samples.y), reference, rtol=1e-10)


@pytest.mark.parametrize("coordinates", BOTH)
def test_the_log_joint_is_finite_inside_alone_and_has_its_gradient(coordinates):
    problem = planet(coordinates)
    samples = problem.draw(6, seeded(4))
    x = samples.x.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: problem.log_joint(x, samples.y), x)
    for column, value in ((0, 7.9), (0, 24.1), (3, 3.0 if coordinates == "components" else -0.1), (6, -1.0)):
        outside = samples.x.clone()
        outside[0, column] = value
        outside.requires_grad_()
        values = problem.log_joint(outside, samples.y)
        assert values[0] == -math.inf and values[1:].isfinite().all()
        (gradient,) = torch.autograd.grad(values[1:].sum(), outside)
        assert gradient.isfinite().all()


def test_draws_follow_the_prior():
    period, amplitude, e, omega, longitude, velocity, jitter = (
        planet("physical").draw(4000, seeded(5)).x.numpy().T
    )
    for values, distribution in (
        (period, stats.loguniform(8, 24)),
        (amplitude, stats.rayleigh(scale=12)),
        (e, stats.uniform(0, 0.8)),
        (omega, stats.uniform(0, 2 * math.pi)),
        (longitude, stats.uniform(0, 2 * math.pi)),
        (velocity, stats.norm(0, 10)),
        (jitter, stats.lognorm(0.5, scale=2)),
    ):
        assert stats.kstest(values, distribution.cdf).pvalue > 1e-3


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


def test_the_linear_part_is_integrated_out_in_closed_form():
    """log p(y | u) is the density of N(0, D + Φ Λ Φᵀ), written out in full."""
    problem, y = planet("physical"), planet().draw(1, seeded(7)).y[0]
    u = collapsed_draws(5, 7)
    logs = radial_velocity.marginal_log_likelihood(u, y)
    for row, value in zip(u, logs, strict=True):
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
        reference = stats.multivariate_normal.logpdf(y.numpy(), cov=covariance)
        assert float(value) == pytest.approx(reference, rel=1e-10)


def test_walkers_follow_a_posterior_known_on_a_grid():
    """Period and jitter, the orbit circular: two modes, with weights that the sampler must find."""
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
    samples = ensemble_draws(log_density, walkers, 1000, seeded(8))
    for column, (side, marginal) in enumerate(zip(sides, (weight.sum(1), weight.sum(0)), strict=True)):
        level = np.interp(
            samples[:, column].numpy(), side.numpy(), np.concatenate([[0], marginal.cumsum(0).numpy()])
        )
        assert stats.kstest(level, "uniform").statistic < 1.95 / math.sqrt(500)


def test_the_reference_agrees_with_weighted_draws_of_the_prior():
    """An independent exact answer: 200,000 draws of the prior, weighted, without a walker."""
    y = torch.tensor(planet().default_observation, dtype=torch.float64)
    rows = collapsed_draws(200_000, 9)
    weight = torch.cat([radial_velocity.marginal_log_likelihood(part, y) for part in rows.split(4000)])
    assert 1 / (weight - weight.logsumexp(0)).exp().square().sum() > 1000
    subset = resampled(rows, weight, 4000, seeded(9))
    exact = torch.stack(radial_velocity.complete(subset, y, seeded(10)), 1)
    draws = planet("physical").reference_posterior(y, 1000, seeded(11))
    exact[:, 3:5] = exact[:, 3:5].remainder(2 * math.pi)
    for column in range(7):
        assert stats.ks_2samp(draws[:, column], exact[:, column]).statistic < 0.08
    aliases = ((draws[:, 0] > 8) & (draws[:, 0] < 10)).double().mean()
    assert 0.6 < aliases < 0.8


def test_velocities_in_another_unit_have_no_reference():
    velocities = torch.tensor(radial_velocity.DEFAULT, dtype=torch.float64)
    for factor in (30, 1000):
        with pytest.raises(DataError, match="unexplained"):
            planet().reference_posterior(factor * velocities, 50, seeded())
    assert len(planet().reference_posterior(3 * velocities, 50, seeded())) == 50


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


# the plot ---------------------------------------------------------------------------------------------
def test_it_is_folded_at_the_period_of_most_draws():
    problem, star = planet(), torch.tensor(planet().default_observation, dtype=torch.float64)
    orbits = planet("physical")._from_physical(*radial_velocity.prior_draw(20, seeded(1)))
    orbits[:, 0] = torch.tensor([12.4] * 6 + [8.8] * 14, dtype=torch.float64)
    x = problem._from_physical(*orbits.T)
    arrays = velocity_curves(problem, {"observation": star.numpy(), "posterior_x": x.numpy()})
    assert float(arrays["fold_period"]) == pytest.approx(8.8) and float(arrays["fold_share"]) == 0.7
    assert arrays["fold"].shape == (14, PLACES // 2) and arrays["curve"].shape == (20, PLACES)
    # less their own systemic velocities, phase zero in the middle of the nights
    moments = 29.45 + 8.8 * torch.linspace(-0.5, 0.5, PLACES // 2, dtype=torch.float64)
    np.testing.assert_allclose(arrays["fold"], problem.curve(x[6:], moments) - x[6:, 5:6], atol=1e-9)
    turns = (torch.tensor(NIGHTS) - 29.45) / 8.8
    np.testing.assert_allclose(arrays["fold_phases"], turns - turns.round(), atol=1e-5)
