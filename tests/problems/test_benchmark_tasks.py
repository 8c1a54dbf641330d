"""The tasks of the simulation-based inference benchmark: closed forms, other programs, published samples."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from tests.problems.test_posteriors import mmd_is_small, ranks_are_uniform, seeded
from workbench.core.errors import DataError
from workbench.problems import PROBLEMS
from workbench.problems.benchmark.bernoulli_glm import design, precision_factor
from workbench.problems.bounded_distributions import truncated_normal_draw, truncated_normal_log_mass

#: Published samples, optionally in a folder beside the repository; nothing in the package needs them.
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "sbibm"


def double(*rows) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# against the published reference samples -----------------------------------------------------------------
def published_samples(task: str):
    path = PUBLISHED / f"{task}.npz"
    if not path.is_file():
        pytest.skip("the published reference samples are not beside the repository")
    with np.load(path) as file:
        return torch.from_numpy(file["observations"]).double(), torch.from_numpy(file["samples"]).double()


TASKS = {
    "two_moons": "two_moons_posterior",
    "gaussian_linear": "gaussian_linear",
    "gaussian_mixture": "gaussian_mixture",
}


@pytest.mark.parametrize("task", TASKS)
def test_reference_posteriors_equal_the_published_ones(task):
    problem, p_values = PROBLEMS.make(TASKS[task]), []
    for i, (observation, samples) in enumerate(zip(*published_samples(task), strict=True)):
        exact = problem.reference_posterior(observation, len(samples), seeded(i))
        p_values += [
            stats.ks_2samp(a, b).pvalue for a, b in zip(exact.T.numpy(), samples.T.numpy(), strict=True)
        ]
        if i < 2:
            subset = torch.randperm(len(samples), generator=seeded(i))[:300]
            assert mmd_is_small(exact[:300], samples[subset])
    assert min(p_values) * len(p_values) > 0.01


@pytest.mark.parametrize("task", TASKS)
def test_the_joint_density_explains_the_published_samples_as_well_as_exact_ones(task):
    problem = PROBLEMS.make(TASKS[task])
    observations, samples = published_samples(task)
    y, x = observations[0].expand(len(samples[0]), -1), samples[0]
    exact = problem.reference_posterior(observations[0], len(x), seeded())
    logs = problem.log_joint(x, y), problem.log_joint(exact, y)
    assert stats.ks_2samp(*[v.numpy() for v in logs]).pvalue > 1e-3


# every task with a joint density and an exact posterior -----------------------------------------------------
EXACT = ["two_moons_posterior", "gaussian_linear", "gaussian_linear_uniform", "gaussian_mixture"]


@pytest.mark.parametrize("key", EXACT)
def test_ranks_of_the_truth_are_uniform(key):
    problem = PROBLEMS.make(key)
    assert ranks_are_uniform(problem, range(problem.shapes.x)) > 1e-3


@pytest.mark.parametrize("observation", [(0.0, 0.0), (-0.6, 0.16), (-0.3, 0.7)])
def test_the_moons_posterior_is_its_joint_density(observation):
    problem, cells = PROBLEMS.make("two_moons_posterior"), 1200
    axis = (torch.arange(cells).double() + 0.5) / cells * 2 - 1
    points = torch.cartesian_prod(axis, axis)
    chance = torch.softmax(problem.log_joint(points, double(observation).expand(len(points), -1)), 0)
    exact = problem.reference_posterior(observation, 20_000, seeded())
    width = 40
    coarse = (((points + 1) / 2 * width).long().clamp(0, width - 1) @ torch.tensor([width, 1])).flatten()
    reference = torch.zeros(width**2).double().index_add_(0, coarse, chance) * len(exact)
    counts = torch.bincount(
        ((exact + 1) / 2 * width).long().clamp(0, width - 1) @ torch.tensor([width, 1]), minlength=width**2
    ).double()
    full = reference > 5
    assert counts[~full].sum() <= reference[~full].sum() + 5 * reference[~full].sum().sqrt() + 5
    statistic = float(((counts - reference)[full].square() / reference[full]).sum())
    assert stats.chi2.sf(statistic, int(full.sum()) - 1) > 1e-3


def test_the_moons_likelihood_integrates_to_one():
    problem = PROBLEMS.make("two_moons_posterior")
    # polar around the crescent's centre, where the density is thin
    radius = torch.linspace(0.03, 0.17, 1401).double()
    angle = (torch.arange(400).double() + 0.5) / 400 * math.pi - math.pi / 2
    r, a = (part.flatten() for part in torch.meshgrid(radius, angle, indexing="ij"))
    x = double((0.3, -0.5)).expand(len(r), -1)
    shift = double((-0.2, -0.8)) / math.sqrt(2)
    y = shift + torch.stack([0.25 + r * a.cos(), r * a.sin()], 1)
    mass = (problem.log_joint(x, y) + math.log(4)).exp() * r * (math.pi / 400) * 1e-4
    assert float(mass.sum()) == pytest.approx(1, abs=1e-6)


def test_gaussian_posterior_has_its_moments():
    problem = PROBLEMS.make("gaussian_linear")
    x = problem.reference_posterior(problem.default_observation, 50_000, seeded())
    torch.testing.assert_close(x.mean(0), double(*problem.default_observation) / 2, atol=0.005, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), 0.05 * torch.eye(10).double(), atol=0.002, rtol=0)


def entropy_of_the_posterior(problem, n: int = 4000) -> tuple[float, float]:
    """Mean and standard error of -log p(x | y) in nats, p(y) in closed form."""
    samples = problem.draw(n, seeded(21))
    y = samples.y
    if problem.key == "gaussian_mixture":
        mass = torch.stack([truncated_normal_log_mass(y, s, -10.0, 10.0).sum(1) for s in (1.0, 0.1)])
        evidence = mass.logsumexp(0) - math.log(2) - 2 * math.log(20)
    elif problem.key == "gaussian_linear":
        evidence = torch.distributions.Normal(0, math.sqrt(0.2)).log_prob(y).sum(1)
    else:
        evidence = (truncated_normal_log_mass(y, math.sqrt(0.1), -1.0, 1.0) - math.log(2)).sum(1)
    values = evidence - problem.log_joint(samples.x, y)
    return float(values.mean()), float(values.std()) / math.sqrt(n)


@pytest.mark.parametrize(
    ("key", "optimum"),
    [("gaussian_mixture", 1.018), ("gaussian_linear", -0.7893), ("gaussian_linear_uniform", -0.173)],
)
def test_the_mean_log_posterior_is_its_optimum(key, optimum):
    mean, error = entropy_of_the_posterior(PROBLEMS.make(key))
    assert abs(mean - optimum) < 4 * error + 0.004


@pytest.mark.parametrize("mean", [0.0, 0.9, -1.4, 8.0, -40.0])
def test_truncated_normals_agree_with_scipy(mean):
    scale, means = 0.3, torch.full((3000,), mean, dtype=torch.float64)
    samples = truncated_normal_draw(means, scale, -1.0, 1.0, seeded())
    distribution = stats.truncnorm((-1 - mean) / scale, (1 - mean) / scale, mean, scale)
    assert ((samples >= -1) & (samples <= 1)).all()
    assert stats.kstest(samples.numpy(), distribution.cdf).pvalue > 1e-3
    mass = truncated_normal_log_mass(means[:1], scale, -1.0, 1.0)
    sign = -1 if mean < 0 else 1  # SciPy keeps its digits in the left tail
    low, high = sorted((sign * (-1 - mean) / scale, sign * (1 - mean) / scale))
    reference = stats.norm.logcdf(high) + math.log1p(
        -math.exp(stats.norm.logcdf(low) - stats.norm.logcdf(high))
    )
    assert float(mass) == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize(
    "key", ["two_moons_posterior", "gaussian_linear_uniform", "gaussian_mixture", "slcp"]
)
def test_the_density_outside_the_prior_is_zero(key):
    problem = PROBLEMS.make(key)
    samples = problem.draw(20, seeded())
    samples.x[:, 0] = problem.x[0].high + 0.01
    assert (problem.log_joint(samples.x, samples.y) == -math.inf).all()


def test_an_observation_of_moons_out_of_reach_is_refused(monkeypatch):
    monkeypatch.setattr("workbench.problems.benchmark.two_moons_posterior._BATCHES", 3)
    with pytest.raises(DataError, match="cannot be drawn"):
        PROBLEMS.make("two_moons_posterior").reference_posterior((5.0, 0.0), 10, seeded())


# slcp -------------------------------------------------------------------------------------------------------
def slcp_covariance(x: np.ndarray) -> np.ndarray:
    first, second, correlation = x[2] ** 2, x[3] ** 2, math.tanh(x[4])
    return np.array([[first**2, correlation * first * second], [correlation * first * second, second**2]])


def test_slcp_density_is_four_gaussian_points_under_a_uniform_prior():
    problem = PROBLEMS.make("slcp")
    samples = problem.draw(30, seeded(2))
    reference = [
        stats.multivariate_normal(x[:2], slcp_covariance(x) + 1e-6 * np.eye(2)).logpdf(y.reshape(4, 2)).sum()
        - 5 * math.log(6)
        for x, y in zip(samples.x.numpy(), samples.y.numpy(), strict=True)
    ]
    torch.testing.assert_close(
        problem.log_joint(samples.x, samples.y), torch.tensor(reference).double(), rtol=1e-6, atol=1e-6
    )


def test_slcp_points_have_their_moments_and_modes_are_symmetric():
    problem, x = PROBLEMS.make("slcp"), double((0.7, -2.9, -1.0, -0.9, 0.6))
    points = problem.simulate(x.expand(40_000, -1), seeded()).reshape(-1, 2)
    torch.testing.assert_close(points.mean(0), x[0, :2], atol=0.02, rtol=0)
    torch.testing.assert_close(
        torch.cov(points.T), torch.from_numpy(slcp_covariance(x[0].numpy())), atol=0.02, rtol=0
    )
    y = double(problem.default_observation)
    mirror_image = x * double((1.0, 1.0, -1.0, 1.0, 1.0))
    torch.testing.assert_close(problem.log_joint(x, y), problem.log_joint(mirror_image, y))


# a spiking neuron -------------------------------------------------------------------------------------------
def test_the_design_matrix_holds_the_stimulus_at_nine_lags():
    matrix, stimulus = design().numpy(), np.random.RandomState(42).randn(100)
    assert (matrix[:, 0] == 1).all() and matrix.shape == (100, 10)
    for t in (0, 5, 60):
        reference = [stimulus[t - lag] if t >= lag else 0.0 for lag in range(9)]
        np.testing.assert_allclose(matrix[t, 1:], reference, atol=1e-6)


def test_the_prior_precision_of_the_neuron_is_that_of_the_benchmark():
    factor = precision_factor()
    precision = (factor @ factor.T).numpy()
    first = np.eye(9) - np.eye(9, k=-1)
    root = first @ first + np.diag(np.sqrt(np.arange(9) / 9))
    np.testing.assert_allclose(precision[1:, 1:], root.T @ root, atol=1e-12)
    assert precision[0, 0] == pytest.approx(0.5) and not precision[0, 1:].any()
    x = PROBLEMS.make("bernoulli_glm").draw(40_000, seeded()).x
    np.testing.assert_allclose(torch.cov(x.T).numpy(), np.linalg.inv(precision), atol=0.08)


def test_the_probability_of_a_spike_train_is_that_of_its_statistics():
    summary, raw = PROBLEMS.make("bernoulli_glm"), PROBLEMS.make("bernoulli_glm", observed="spikes")
    samples = raw.draw(20, seeded())
    assert set(samples.y.unique().tolist()) == {0.0, 1.0}
    logs = raw.log_joint(samples.x, samples.y)
    torch.testing.assert_close(summary.log_joint(samples.x, samples.y @ design()), logs)
    chance = torch.sigmoid(samples.x @ design().T)
    factor = precision_factor()
    prior = torch.distributions.MultivariateNormal(
        torch.zeros(10).double(), precision_matrix=factor @ factor.T
    )
    reference = torch.distributions.Bernoulli(chance).log_prob(samples.y).sum(1) + prior.log_prob(samples.x)
    torch.testing.assert_close(logs, reference)
    same = summary.simulate(samples.x, seeded(5)), raw.simulate(samples.x, seeded(5)) @ design()
    torch.testing.assert_close(*same)


# populations ------------------------------------------------------------------------------------------------
def scipy_solution(problem, x: np.ndarray) -> np.ndarray:
    """log populations (10, 2) by SciPy, in the plain variables of the textbook."""
    if problem.key == "sir":
        start, interval = [1 - 1e-6, 1e-6], 17.0

        def slope(t, u):
            return [-x[0] * u[0] * u[1], x[0] * u[0] * u[1] - x[1] * u[1]]
    else:
        start, interval = [30.0, 1.0], 2.1

        def slope(t, u):
            return [x[0] * u[0] - x[1] * u[0] * u[1], -x[2] * u[1] + x[3] * u[0] * u[1]]

    times = np.arange(10) * interval
    options = {"method": "LSODA", "rtol": 1e-11, "atol": 1e-20, "t_eval": times}
    return np.log(integrate.solve_ivp(slope, (0, times[-1] + 1e-9), start, **options).y.T)


@pytest.mark.parametrize("key", ["sir", "lotka_volterra"])
def test_populations_agree_with_an_independent_solver(key):
    problem = PROBLEMS.make(key)
    x = problem.draw(40, seeded(3)).x
    reference = np.stack([scipy_solution(problem, row) for row in x.numpy()])
    assert np.abs(problem._log_populations(x).numpy() - reference).max() < 1e-6


@pytest.mark.parametrize("key", ["sir", "lotka_volterra"])
def test_a_row_does_not_depend_on_its_batch_and_passes_its_gradient(key):
    problem = PROBLEMS.make(key)
    x = problem.draw(30, seeded(4)).x
    torch.testing.assert_close(
        problem._log_populations(x)[7:8], problem._log_populations(x[7:8]), rtol=0, atol=1e-12
    )
    x = x[:3].clone().requires_grad_()
    y = double(problem.default_observation).expand(3, -1)
    (gradient,) = torch.autograd.grad(problem.log_joint(x, y).sum(), x)
    columns = torch.eye(problem.shapes.x, dtype=torch.float64)
    shift = 1e-5 * columns[:, None] * x.detach()  # (D, 3, D): each component of each row by itself
    with torch.no_grad():
        above, below = (
            problem.log_joint((x + sign * shift).flatten(0, 1), y.repeat(len(columns), 1)) for sign in (1, -1)
        )
    slope = (above - below).reshape(-1, 3).T / (2e-5 * x.detach())
    torch.testing.assert_close(gradient, slope, rtol=2e-3, atol=1e-2)


def test_epidemic_counts_have_their_binomial_density():
    problem = PROBLEMS.make("sir")
    samples = problem.draw(25, seeded())
    share = problem._log_populations(samples.x)[:, :, 1].exp().numpy()
    prior = sum(
        stats.lognorm(s, scale=m).logpdf(samples.x[:, i].numpy())
        for i, (s, m) in enumerate([(0.5, 0.4), (0.2, 0.125)])
    )
    reference = stats.binom(1000, share).logpmf(samples.y.numpy()).sum(1) + prior
    np.testing.assert_allclose(problem.log_joint(samples.x, samples.y).numpy(), reference, rtol=1e-8)
    y = problem.simulate(double((0.4, 0.125)).expand(8000, -1), seeded())
    np.testing.assert_allclose(y.mean(0).numpy(), problem.default_observation, atol=1.0)
    assert float(y[:, 3].var()) == pytest.approx(307 * (1 - 0.307), rel=0.08)


def test_counts_of_prey_have_their_log_normal_density():
    problem = PROBLEMS.make("lotka_volterra")
    samples = problem.draw(25, seeded())
    medians = (
        problem._log_populations(samples.x).transpose(1, 2).flatten(1).clamp(math.log(1e-10), math.log(1e4))
    )
    prior = sum(
        stats.lognorm(0.5, scale=math.exp(m)).logpdf(samples.x[:, i].numpy())
        for i, m in enumerate(problem.locations)
    )
    reference = stats.lognorm(0.1, scale=medians.exp().numpy()).logpdf(samples.y.numpy()).sum(1) + prior
    np.testing.assert_allclose(problem.log_joint(samples.x, samples.y).numpy(), reference, rtol=1e-8)


@pytest.mark.parametrize("key", ["sir", "lotka_volterra"])
def test_impossible_rates_and_counts_have_no_density(key):
    problem = PROBLEMS.make(key)
    samples = problem.draw(3, seeded())
    assert (problem.log_joint(-samples.x, samples.y) == -math.inf).all()
    assert (problem.log_joint(samples.x, -1 - samples.y) == -math.inf).all()


def test_rates_that_cannot_be_solved_give_nan_and_no_density(monkeypatch):
    monkeypatch.setattr("workbench.problems.benchmark.populations._MAX_STEPS", 8)
    problem = PROBLEMS.make("lotka_volterra")
    x = torch.cat([problem.draw(3, seeded()).x, 40 * torch.ones(1, 4).double()])
    y = double(problem.default_observation).expand(4, -1)
    assert problem.simulate(x, seeded())[3].isnan().any()
    assert problem.log_joint(x, y)[3] == -math.inf
