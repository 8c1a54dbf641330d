"""Reference posteriors are exact: against closed forms, against rejection, and by uniform ranks."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from workbench.core.errors import DataError, IncompatibleError
from workbench.problems import PROBLEMS

LINEAR = [
    {},
    {"noise": 0.3},
    {"features": 5, "observations": 2},
    {"features": 5, "observations": 4, "noise": 1.0},
    {"features": 2, "matrix_seed": 7},
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ranks_are_uniform(problem, columns, replicates: int = 120, draws: int = 19) -> float:
    """Smallest p-value over columns of prior draws' ranks among their own posteriors (Talts et al. 2018)."""
    generator = seeded(11)
    truth = problem.draw(replicates, generator)
    ranks = torch.stack(
        [
            (problem.reference_posterior(y, draws, generator) < x).sum(0)
            for x, y in zip(truth.x, truth.y, strict=True)
        ]
    )
    return min(stats.chisquare(torch.bincount(ranks[:, c] // 4, minlength=5).numpy()).pvalue for c in columns)


# linear Gaussian ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("values", LINEAR)
def test_linear_posterior_has_the_closed_form_moments(values):
    problem = PROBLEMS.make("linear_gaussian", **values)
    y = problem.draw(1, seeded()).y[0]
    mean, covariance = problem.posterior_moments(y)
    x = problem.reference_posterior(y, 20_000, seeded())
    scale = covariance.diagonal().max()
    torch.testing.assert_close(x.mean(0), mean, atol=4 * math.sqrt(scale / 20_000), rtol=0)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.05 * float(scale), rtol=0)


@pytest.mark.parametrize("values", LINEAR)
def test_linear_posterior_agrees_with_conditioning_the_joint_covariance(values):
    problem = PROBLEMS.make("linear_gaussian", **values)
    samples = problem.draw(200_000, seeded())
    d = problem.shapes.x
    joint = torch.cov(torch.cat([samples.x, samples.y], 1).T)
    gain = torch.linalg.solve(joint[d:, d:], joint[d:, :d]).T
    mean, covariance = problem.posterior_moments(problem.default_observation)
    torch.testing.assert_close(gain.sum(1), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(joint[:d, :d] - gain @ joint[d:, :d], covariance, atol=0.03, rtol=0)


@pytest.mark.parametrize("values", [v for v in LINEAR if "noise" not in v])
def test_without_noise_the_posterior_reproduces_the_observation(values):
    problem = PROBLEMS.make("linear_gaussian", **values)
    y = torch.tensor(problem.default_observation, dtype=torch.float64)
    x = problem.reference_posterior(y, 500, seeded())
    assert (problem.simulate(x, seeded()) - y).abs().max() < 1e-9


@pytest.mark.parametrize("values", [v for v in LINEAR if "noise" not in v])
def test_the_realising_map_gives_independent_standard_normal_latents_and_the_posterior(values):
    problem = PROBLEMS.make("linear_gaussian", **values)
    m, parts = problem.shapes.y, problem.parts
    forward = problem.realising_map()
    image = forward @ parts.covariance @ forward.T
    torch.testing.assert_close(image[m:, m:], torch.eye(len(image) - m).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(image[:m, m:], torch.zeros(m, len(image) - m).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(forward[:m], parts.operator)
    backward = torch.linalg.inv(forward)
    mean, covariance = problem.posterior_moments(problem.default_observation)
    torch.testing.assert_close(backward[:, :m].sum(1), mean, atol=1e-12, rtol=0)
    torch.testing.assert_close(backward[:, m:] @ backward[:, m:].T, covariance, atol=1e-12, rtol=0)


def test_the_joint_density_is_prior_times_likelihood():
    problem = PROBLEMS.make("linear_gaussian", noise=0.4, observations=2)
    samples, parts = problem.draw(50, seeded()), problem.parts
    covariance = torch.cat(
        [
            torch.cat([parts.covariance, parts.covariance @ parts.operator.T], 1),
            torch.cat([parts.operator @ parts.covariance, parts.evidence], 1),
        ]
    )
    reference = stats.multivariate_normal(cov=covariance.numpy()).logpdf(
        torch.cat([samples.x, samples.y], 1).numpy()
    )
    torch.testing.assert_close(problem.log_joint(samples.x, samples.y), torch.from_numpy(reference))


def test_more_observations_than_unknowns_are_refused():
    problem = PROBLEMS.make("linear_gaussian", features=3, observations=3)
    assert "fewer observations" in problem.refusals()[0]
    with pytest.raises(DataError, match="fewer observations"):
        problem.draw(10, seeded())
    with pytest.raises(IncompatibleError, match="without noise"):
        PROBLEMS.make("linear_gaussian", noise=0.1).realising_map()


# inverse kinematics ------------------------------------------------------------------------------------
OBSERVATIONS = [(1.5, 0.0), (1.9, 0.1), (1.0, 1.0), (0.5, -1.5), (1.999, 0.0), (-0.2, 1.2)]


@pytest.fixture(params=["code", "paper"])
def arm(request):
    return PROBLEMS.make("inverse_kinematics", convention=request.param)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_posterior_poses_reach_the_observation(arm, observation):
    x = arm.reference_posterior(observation, 200, seeded())
    y = arm.simulate(x, seeded())
    assert (y - torch.tensor(observation, dtype=torch.float64)).abs().max() < 1e-9
    assert len(x.unique(dim=0)) == len(x)
    torch.testing.assert_close(arm.arm(x)[:, -1], y)


def test_links_have_their_lengths_and_the_base_stands_on_the_rail(arm):
    x = arm.draw(50, seeded()).x
    positions = arm.arm(x)
    lengths = positions.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.tensor([0.5, 0.5, 1.0]).double().expand(50, 3))
    torch.testing.assert_close(positions[:, 0], torch.stack([torch.zeros(50).double(), x[:, 0]], 1))


@pytest.mark.parametrize(
    ("convention", "spread", "mean"), [("code", (0.513, 1.048), 1.518), ("paper", (0.441, 0.582), 1.518)]
)
def test_the_two_conventions_have_their_published_spreads(convention, spread, mean):
    y = PROBLEMS.make("inverse_kinematics", convention=convention).draw(100_000, seeded()).y
    torch.testing.assert_close(y.std(0), torch.tensor(spread).double(), atol=0.01, rtol=0)
    assert float(y[:, 0].mean()) == pytest.approx(mean, abs=0.01)


def rejection(arm, observation, epsilon: float, tries: int) -> torch.Tensor:
    """Prior draws within ``epsilon`` of the observation: exact as epsilon goes to 0."""
    target, generator, parts = torch.tensor(observation, dtype=torch.float64), seeded(5), []
    for _ in range(tries // 500_000):
        samples = arm.draw(500_000, generator)
        parts.append(samples.x[(samples.y - target).norm(dim=1) < epsilon])
    return torch.cat(parts)


def mmd_is_small(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Permutation test at 1 % of the maximum mean discrepancy with a Gaussian kernel of median width."""
    both, n = torch.cat([first, second]), len(first)
    distance = torch.cdist(both, both).square()
    kernel = torch.exp(-distance / distance.median())

    def statistic(order: torch.Tensor) -> float:
        a, b = order[:n], order[n:]
        return float(kernel[a][:, a].mean() + kernel[b][:, b].mean() - 2 * kernel[a][:, b].mean())

    value = statistic(torch.arange(len(both)))
    null_values = sorted(statistic(torch.randperm(len(both), generator=seeded(i))) for i in range(100))
    return value < null_values[-1]


@pytest.mark.parametrize(
    ("convention", "observation", "epsilon"),
    [("code", (1.5, 0.0), 0.06), ("paper", (1.5, 0.0), 0.02), ("code", (1.0, 1.0), 0.03)],
)
def test_the_posterior_agrees_with_rejection_sampling(convention, observation, epsilon):
    arm = PROBLEMS.make("inverse_kinematics", convention=convention)
    draws = rejection(arm, observation, epsilon, 5_000_000)[:500]
    assert len(draws) > 250
    exact = arm.reference_posterior(observation, len(draws), seeded(6))
    for column in range(4):
        assert stats.ks_2samp(draws[:, column].numpy(), exact[:, column].numpy()).pvalue > 1e-3
    assert mmd_is_small(draws, exact)


def test_a_posterior_without_its_weights_is_detected():
    arm = PROBLEMS.make("inverse_kinematics")
    draws = rejection(arm, (1.0, 1.0), 0.03, 5_000_000)[:500]
    proposals, _ = arm._candidates(torch.tensor([1.0, 1.0], dtype=torch.float64), 600, seeded())
    assert not mmd_is_small(draws, proposals[: len(draws)])


def test_ranks_of_the_truth_are_uniform_in_the_arm_posterior(arm):
    assert ranks_are_uniform(arm, range(4)) > 1e-3


@pytest.mark.parametrize("observation", [(2.5, 0.0), (1.0, 40.0)])
def test_observations_out_of_reach_are_refused(arm, observation, monkeypatch):
    monkeypatch.setattr("workbench.problems.inverse.inverse_kinematics._BATCHES", 3)
    with pytest.raises(DataError, match="reach"):
        arm.reference_posterior(observation, 10, seeded())


# eight modes -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("labels", "sizes"), [("some", [4, 2, 1, 1]), ("all", [1] * 8)])
def test_labelled_modes_have_their_posterior(labels, sizes):
    problem = PROBLEMS.make("eight_modes", labels=labels)
    assert problem.shapes.y == len(sizes)
    samples = problem.draw(8000, seeded())
    for label, size in enumerate(sizes):
        rows = samples.x[samples.y[:, label] == 1]
        assert len(rows) / 8000 == pytest.approx(size / 8, abs=0.03)
        observation = torch.full((len(sizes),), 0.1).index_fill(
            0, torch.tensor(label), 0.7
        )  # not quite one-hot
        exact = problem.reference_posterior(observation, len(rows), seeded(1))
        assert min(stats.ks_2samp(rows[:, c].numpy(), exact[:, c].numpy()).pvalue for c in (0, 1)) > 1e-3
        again = problem.simulate(exact, seeded(2))
        assert (again.argmax(1) == label).double().mean() > 0.99


def test_labelled_modes_are_independent_of_labels_in_sum():
    problem, bare = PROBLEMS.make("eight_modes"), PROBLEMS.make("eight_modes", labels="none")
    x = bare.draw(100, seeded()).x
    joint = torch.stack([problem.log_joint(x, label.expand(100, -1)) for label in torch.eye(4).double()])
    torch.testing.assert_close(joint.logsumexp(0), bare.log_density(x))
    assert bare.shapes.y == 0 and bare.default_observation == ()
