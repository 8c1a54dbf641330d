"""Pareto tails: density, draws and moments against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats

from workbench.problems import PROBLEMS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha, minimum", [(0.7, 1.0), (1.0, 0.5), (3.0, 2.0), (10.0, 1.0)])
def test_draws_and_density_are_those_of_the_distribution(alpha, minimum):
    problem = PROBLEMS.make("pareto", alpha=alpha, minimum=minimum)
    distribution = stats.pareto(alpha, scale=minimum)
    x = problem.draw(5000, seeded()).x
    for column in x.T:
        assert stats.kstest(column.numpy(), distribution.cdf).pvalue > 1e-3
    assert abs(stats.kendalltau(*x[:1000].T.numpy()).statistic) < 0.1
    reference = torch.from_numpy(distribution.logpdf(x.numpy()).sum(1))
    torch.testing.assert_close(problem.log_density(x), reference, rtol=1e-10, atol=1e-10)
    assert problem.quantile(0.9) == pytest.approx(distribution.ppf(0.9))


def test_the_density_is_zero_below_the_minimum_and_its_gradient_is_a_number():
    x = torch.tensor([[0.5, 2.0], [-3.0, 2.0], [1.5, 2.0]], dtype=torch.float64, requires_grad=True)
    value = PROBLEMS.make("pareto").log_density(x)
    assert torch.isneginf(value[:2]).all() and value[2].isfinite()
    (gradient,) = torch.autograd.grad(value[2], x)
    torch.testing.assert_close(gradient[2], -4 / x[2].detach())


@pytest.mark.parametrize("alpha", [1.5, 2.0, 5.0])
def test_the_absolute_deviation_is_that_of_the_distribution(alpha):
    distribution = stats.pareto(alpha)
    exact, _ = integrate.quad(lambda u: abs(distribution.ppf(u) - distribution.median()), 0, 1, limit=500)
    assert PROBLEMS.make("pareto", alpha=alpha).absolute_deviation() == pytest.approx(exact, rel=1e-4)
    assert PROBLEMS.make("pareto", alpha=1.0).absolute_deviation() == math.inf
