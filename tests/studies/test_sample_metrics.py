"""The numbers of the comparison: against formulas written out, an exact posterior, and wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.problems import PROBLEMS
from workbench.studies import sample_metrics


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=["inverse_kinematics", "inverse_ballistics"])
def case(request):
    """Problem, truths, observations, reference, and draws of another exact posterior."""
    problem = PROBLEMS.make(request.param)
    pairs = problem.draw(80, generator(1))
    # tails cost the reference much time; chosen by y alone, so that truth and draws stay exchangeable
    near = ((pairs.y - pairs.y.mean(0)) / pairs.y.std(0)).abs().amax(1).argsort()[:40].sort().values
    x, y = pairs.x[near], pairs.y[near]
    both = torch.stack([problem.reference_posterior(row, 300, generator(i)) for i, row in enumerate(y)])
    return problem, x, y, both[:, :150], both[:, 150:]


def test_err_post_is_the_formula():
    p, q = torch.randn(1, 5, 3, generator=generator()).double(), torch.randn(1, 4, 3, generator=generator(1))
    q = q.double()

    def kernel(a, b):
        distances = float(((a - b) ** 2).sum())
        return sum(1 / (1 + distances / h**2) for h in (0.05, 0.2, 0.9))

    within = sum(kernel(p[0, i], p[0, j]) for i in range(5) for j in range(5) if i != j) / 20
    beside = sum(kernel(q[0, i], q[0, j]) for i in range(4) for j in range(4) if i != j) / 12
    across = sum(kernel(a, b) for a in p[0] for b in q[0]) / 20
    assert sample_metrics.posterior_errors(p, q)[0] == pytest.approx(within + beside - 2 * across, abs=1e-12)
    relative = sample_metrics.posterior_errors(p, q, torch.full((3,), 2.0).double())
    assert relative[0] == pytest.approx(sample_metrics.posterior_errors(p / 2, q / 2)[0], abs=1e-12)


def test_an_exact_posterior_is_at_the_floor(case):
    problem, truth, y, first, second = case
    errors = sample_metrics.posterior_errors(first, second)
    assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(len(errors))
    distances = sample_metrics.resimulation_distances(first, y, problem, generator())
    assert distances.max() < 1e-16 and sample_metrics.best_of(distances, 1, y.shape[1]).max() < 1e-16
    assert sample_metrics.calibration_error(truth, first).mean() < 0.06


def test_wrong_posteriors_are_caught(case):
    problem, truth, y, first, second = case
    floor = np.abs(sample_metrics.posterior_errors(first, second)).mean()
    middle = first.mean(1, keepdim=True)
    narrow, offset = middle + 0.3 * (first - middle), first + 0.5 * first.std(1, keepdim=True)
    prior = problem.draw(first.shape[0] * first.shape[1], generator(3)).x.reshape(first.shape)
    for wrong in (narrow, offset, prior):
        assert sample_metrics.posterior_errors(wrong, second).mean() > 5 * floor
    assert sample_metrics.calibration_error(truth, narrow).mean() > 0.1
    assert (
        sample_metrics.resimulation_errors(
            sample_metrics.resimulation_distances(prior, y, problem, generator())
        ).mean()
        > 1
    )


def test_the_best_of_many_guesses_is_the_minimum():
    distances = np.asarray([[4.0, 1.0, 9.0], [0.5, 2.0, 100.0]])
    np.testing.assert_allclose(sample_metrics.best_of(distances, 1, 2), [2.0, 0.25])
    np.testing.assert_allclose(sample_metrics.best_of(distances, 3, 2), [0.5, 0.25])
    np.testing.assert_allclose(sample_metrics.resimulation_errors(distances), [14 / 3, 10.0])


def test_draws_that_are_not_finite_are_counted_against_the_method():
    problem = PROBLEMS.make("inverse_kinematics")
    draws = problem.draw(40, generator()).x.reshape(2, 20, 4)
    y = problem.simulate(draws[:, 0], generator())
    draws[0, 0], draws[1] = torch.nan, torch.nan
    distances = sample_metrics.resimulation_distances(draws, y, problem, generator())
    assert np.isinf(distances[0, 0]) and np.isinf(distances[1]).all()
    assert sample_metrics.resimulation_errors(distances)[1] == sample_metrics.CLAMP
    errors = sample_metrics.posterior_errors(draws, torch.randn(2, 20, 4, generator=generator()).double())
    assert np.isfinite(errors[0]) and np.isnan(errors[1])


def test_calibration_of_a_known_distribution():
    """Truths N(0, 1) among draws N(0, s²): coverage of the central interval of mass q is known."""
    from scipy.stats import norm

    truth, draws = (
        torch.randn(4000, 1, generator=generator()),
        torch.randn(4000, 400, 1, generator=generator(1)),
    )
    q = sample_metrics.LEVELS
    reference = np.median(np.abs(2 * norm.cdf(0.5 * norm.ppf((1 + q) / 2)) - 1 - q))
    assert sample_metrics.calibration_error(truth, 0.5 * draws)[0] == pytest.approx(reference, abs=0.01)
    assert sample_metrics.calibration_error(truth, draws)[0] < 0.01
