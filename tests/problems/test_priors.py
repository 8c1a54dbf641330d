"""Priors of the user's simulator: bounds, kinds, names and densities are the distribution's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.core.variable import OPEN_LEVELS, Variable
from workbench.problems import SimulatorProblem

D = torch.distributions
INFINITY = math.inf


def problem_with(prior, x=(), **settings) -> SimulatorProblem:
    return SimulatorProblem(prior, lambda v: v.sum(1) + torch.randn(len(v)), x=x, y=["y"], **settings)


def log_uniform(low: float, high: float):
    return D.TransformedDistribution(D.Uniform(math.log(low), math.log(high)), D.ExpTransform())


BOUNDED = {
    "uniform": (lambda: D.Uniform(0.1, 0.7), 0.1, 0.7),
    "independent uniform": (lambda: D.Independent(D.Uniform(torch.zeros(1), torch.ones(1)), 1), 0.0, 1.0),
    "exponential": (lambda: D.Exponential(1.0), 0.0, INFINITY),
    "beta": (lambda: D.Beta(2.0, 3.0), 0.0, 1.0),
    "normal": (lambda: D.Normal(0.0, 1.0), -INFINITY, INFINITY),
    "log-normal": (lambda: D.LogNormal(0.0, 1.0), 0.0, INFINITY),
    "log-uniform": (lambda: log_uniform(1e-6, 1e2), 1e-6, 1e2),
    "falling": (
        lambda: D.TransformedDistribution(D.Exponential(1.0), D.AffineTransform(3.0, -2.0)),
        -INFINITY,
        3.0,
    ),
    "logistic": (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), D.SigmoidTransform()), 0.0, 1.0),
    "mixture": (
        lambda: D.MixtureSameFamily(
            D.Categorical(torch.ones(2)),
            D.Uniform(torch.tensor([-3.0, 1.0]), torch.tensor([-2.0, 4.0])),
        ),
        -3.0,
        4.0,
    ),
    "von Mises": (lambda: D.VonMises(0.0, 1.0), -math.pi, math.pi),
    "scipy uniform": (lambda: stats.uniform(2, 3), 2.0, 5.0),
    "scipy log-uniform": (lambda: stats.loguniform(1e-3, 1e3), 1e-3, 1e3),
    "scipy truncated": (lambda: stats.truncnorm(-1, 2, loc=1), 0.0, 3.0),
    "scipy normal": (lambda: stats.norm(3, 2), -INFINITY, INFINITY),
    "scipy new": (lambda: stats.Uniform(a=1.0, b=2.0), 1.0, 2.0),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_are_those_of_the_distribution(name):
    make, low, high = BOUNDED[name]
    variable = problem_with(make(), x=["a"]).x[0]
    assert (variable.low, variable.high) == pytest.approx((low, high), rel=1e-6)  # of single precision


@pytest.mark.parametrize("name", BOUNDED)
def test_the_density_of_a_prior_integrates_to_one_and_follows_its_draws(name):
    problem = problem_with(BOUNDED[name][0](), x=["a"])
    assert Capability.LOG_PRIOR in problem.capabilities
    draws = problem.prior(4000, torch.Generator().manual_seed(1))[:, 0]
    low, high = problem.x[0].low, problem.x[0].high
    # in the logarithm where the draws span decades
    log = bool((draws > 0).all()) and float(draws.max() / draws.min()) > 1e3
    start = math.log(max(low, 1e-12)) if log else max(low, -60.0) - 1
    end = math.log(min(high, 1e12)) if log else min(high, 60.0) + 1
    at = torch.linspace(start, end, 400_001, dtype=torch.float64)
    x = at.exp() if log else at
    density = problem.log_prior(x[:, None]).exp() * (x if log else 1.0)
    assert float(torch.trapezoid(density, at)) == pytest.approx(1.0, abs=2e-3)
    below = torch.trapezoid(torch.where(x <= draws.median(), density, torch.zeros(())), at)
    assert float(below) == pytest.approx(0.5, abs=0.03)


def test_outside_the_support_the_prior_is_minus_infinity():
    outside = torch.tensor([[-1.0], [3.0], [1e6]])
    for prior in (D.Uniform(0.0, 1.0), D.Beta(2.0, 2.0), stats.uniform(0, 1), [stats.beta(2, 2)]):
        assert (problem_with(prior, x=["a"]).log_prior(outside) == -INFINITY).all()
    assert problem_with(D.Exponential(1.0), x=["a"]).log_prior(torch.tensor([[-1.0]])) == -INFINITY


def test_a_prior_in_single_precision_draws_in_double_precision():
    low, high = torch.tensor(2459000.0), torch.tensor(2459001.0)
    draws = problem_with(D.Uniform(low, high), x=["day"]).prior(1000, torch.Generator().manual_seed(0))
    assert len(draws.unique()) == 1000


def test_bounds_of_variables_and_prior_hold_together():
    problem = problem_with(D.Normal(torch.zeros(2), torch.ones(2)), x=[Variable("a", low=-100), "b"])
    assert problem.x[0].low == -100.0 and problem.x[1].low == -INFINITY
    assert problem_with(D.Uniform(0.0, 1.0), x=[Variable("a", low=-5, high=5)]).x[0].low == 0.0
    with pytest.raises(DataError, match="outside the bounds of 'a'.*2 to 3.*0 to 1"):
        problem_with(D.Uniform(0.0, 1.0), x=[Variable("a", low=2, high=3)])


def test_names_take_the_kind_of_the_distribution_and_variables_keep_theirs():
    assert problem_with(stats.loguniform(1e-3, 1e3), x=["k"]).x[0].scale == "log"
    assert problem_with(log_uniform(1e-3, 1e3), x=["k"]).x[0].scale == "log"
    assert problem_with(stats.loguniform(1e-3, 1e3), x=[Variable("k")]).x[0].scale == "linear"
    assert problem_with(stats.randint(2, 6), x=["n"]).x[0].levels == 4
    assert problem_with(stats.poisson(4), x=["n"]).x[0].levels == OPEN_LEVELS
    assert problem_with(D.Poisson(4.0), x=["n"]).x[0].levels == OPEN_LEVELS
    period = problem_with(D.Normal(0.0, 9.0), x=[Variable("hour", period=24)])
    draws = period.prior(2000, torch.Generator().manual_seed(0))
    assert 0 <= draws.min() < 1 and 23 < draws.max() < 24


def test_whole_numbers_have_a_probability():
    problem = problem_with(stats.randint(2, 6), x=["n"])
    assert problem.log_prior(torch.tensor([[2.0], [5.0], [6.0]])).exp().tolist() == pytest.approx(
        [0.25, 0.25, 0]
    )


def test_lists_and_dictionaries_are_independent_parts_with_names():
    parts = {"mass": stats.uniform(1, 2), "age": D.Exponential(2.0), "shape": stats.norm(0, 1)}
    by_name = SimulatorProblem(parts, lambda x: x.sum(1), y=["y"])
    assert [v.name for v in by_name.x] == ["mass", "age", "shape"]
    assert [(v.low, v.high) for v in by_name.x[:2]] == [(1.0, 3.0), (0.0, INFINITY)]
    other_order = SimulatorProblem(parts, lambda x: x.sum(1), x=["age", "shape", "mass"], y=["y"])
    in_a_list = problem_with(list(parts.values()), x=["mass", "age", "shape"])
    x = by_name.prior(200, torch.Generator().manual_seed(3))
    assert x[:, 0].min() >= 1 and x[:, 1].min() >= 0
    density = (
        stats.uniform(1, 2).logpdf(x[:, 0]) + np.log(2) - 2 * x[:, 1].numpy() + stats.norm.logpdf(x[:, 2])
    )
    assert np.allclose(by_name.log_prior(x), density) and np.allclose(in_a_list.log_prior(x), density)
    assert np.allclose(other_order.log_prior(x[:, [1, 2, 0]]), density)
    assert np.array_equal(other_order.prior(200, torch.Generator().manual_seed(3)), x[:, [1, 2, 0]])


def test_joint_distributions_of_scipy_and_torch():
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    exact = stats.multivariate_normal([1.0, -1.0], covariance)
    joints = [
        exact,
        D.MultivariateNormal(torch.tensor([1.0, -1.0]), torch.tensor(covariance, dtype=torch.float32)),
    ]
    for joint in joints:
        problem = problem_with(joint, x=["a", "b"])
        x = problem.prior(4000, torch.Generator().manual_seed(0))
        assert np.allclose(np.cov(x.T), covariance, atol=0.15)
        assert np.allclose(problem.log_prior(x[:50]), exact.logpdf(x[:50]), atol=1e-6)
    rows = np.random.default_rng(0).normal(size=(2, 300))
    estimate = problem_with(stats.gaussian_kde(rows), x=["a", "b"])
    x = estimate.prior(20, torch.Generator().manual_seed(0))
    assert np.allclose(estimate.log_prior(x), stats.gaussian_kde(rows).logpdf(x.T))


def test_the_density_is_differentiable_for_torch():
    problem = problem_with(D.Normal(torch.zeros(2), torch.ones(2)), x=["a", "b"])
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64, requires_grad=True)
    problem.log_prior(x).sum().backward()
    assert torch.allclose(x.grad, -x.detach())
    beta = problem_with(D.Beta(2.0, 2.0), x=["a"])
    x = torch.tensor([[0.25], [7.0]], dtype=torch.float64, requires_grad=True)
    beta.log_prior(x).sum().backward()
    assert x.grad[0, 0] == pytest.approx(1 / 0.25 - 1 / 0.75) and x.grad[1, 0] == 0


def test_a_function_has_no_density():
    problem = problem_with(lambda n, g: torch.rand(n, 2, generator=g), x=["a", "b"])
    assert Capability.LOG_PRIOR not in problem.capabilities
    with pytest.raises(IncompatibleError, match="known density of x"):
        problem.log_prior(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("prior", "x", "error", "message"),
    [
        (stats.norm, ["a"], SpecError, r"cannot be drawn from.*its parameters first"),
        (stats.multivariate_normal, ["a"], SpecError, "cannot be drawn from"),
        ({"a": 3}, [], SpecError, "cannot be drawn from.*int"),
        ([], ["a"], SpecError, "cannot be drawn from"),
        ({"a": stats.norm(0, 1)}, ["b"], DataError, "prior has no output 'b'"),
        ({"a": stats.norm(0, 1), "b": stats.norm(0, 1)}, ["a"], SpecError, "name different unknowns"),
        (stats.norm([0, 1], 1), ["a"], DataError, r"wrong shape.*\(\d+, 2\)"),
        (D.Normal(0.0, 1.0), [], SpecError, "x is not described"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(prior, x, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        problem_with(prior, x=x)


DEGREES = [D.transforms.AffineTransform(180.0, 180 / math.pi)]
TWO = torch.tensor([3.0, 3.0])


@pytest.mark.parametrize(
    "prior, low, period",
    [
        (D.VonMises(3.0, 2.0), -math.pi, 2 * math.pi),
        (stats.vonmises(2.0, loc=3.0), -math.pi, 2 * math.pi),
        (stats.vonmises(2.0, 3.0 + 2 * math.pi), -math.pi, 2 * math.pi),
        (D.Independent(D.VonMises(TWO[:1], 2.0), 1), -math.pi, 2 * math.pi),
        (D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.VonMises(TWO, 2.0)), -math.pi, 2 * math.pi),
        (D.TransformedDistribution(D.VonMises(3.0 - math.pi, 2.0), DEGREES), 0.0, 360.0),
    ],
    ids=["torch", "scipy", "scipy_one_turn_on", "independent", "mixture", "degrees"],
)
def test_a_von_mises_prior_is_an_angle(prior, low, period):
    problem = SimulatorProblem({"angle": prior}, lambda x: x.cos(), y=["east"])
    (angle,) = problem.x
    assert angle.low == pytest.approx(low, abs=1e-9) and angle.period == pytest.approx(period)
    draws = problem.prior(4000, torch.Generator().manual_seed(0))
    assert float(draws.min()) >= low - 1e-9 and float(draws.max()) <= low + period + 1e-9
    radians = draws * 2 * math.pi / period
    assert float(torch.cos(radians - 3).mean()) == pytest.approx(0.6978, abs=0.03)  # I₁(2)/I₀(2)
    grid = torch.linspace(0, 1, 2001, dtype=torch.float64)[:-1, None] * period + angle.low
    assert float(problem.log_prior(grid).exp().mean()) * period == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("prior", [stats.vonmises(2.0, scale=2.0), stats.vonmises(2.0, 0.0, 2.0)])
def test_a_von_mises_prior_with_a_scale_is_refused(prior):
    with pytest.raises(
        DataError, match=r"von Mises distribution with a scale.*Expected: scale=1.*Found: scale=2\.0"
    ):
        SimulatorProblem({"angle": prior}, lambda x: x.cos(), y=["east"])
