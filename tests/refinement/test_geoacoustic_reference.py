"""The samplers behind the stored geoacoustic reference, against the posterior on a grid."""

from __future__ import annotations

import importlib.util
import math

import pytest
import torch

from tools.make_geoacoustic_reference import DRAWS, nested, sequential_monte_carlo, stored
from workbench import diagnostics
from workbench.problems import PROBLEMS
from workbench.problems.ocean.swellex96 import NOMINAL


@pytest.fixture(scope="module")
def case():
    problem = PROBLEMS.make("geoacoustic")
    y = torch.tensor(problem.default_observation, dtype=torch.float64)
    return problem, y, problem.reference_posterior(y, DRAWS, torch.Generator().manual_seed(0))


def agree(draws: torch.Tensor, exact: torch.Tensor) -> None:
    spread, error = exact.std(0), 5 / math.sqrt(DRAWS)
    assert ((draws.mean(0) - exact.mean(0)).abs() < error * spread).all()
    assert ((draws.std(0) / spread - 1).abs() < 0.15).all()
    assert diagnostics.c2st(exact[:600], draws[:600]) < 0.57


@pytest.mark.slow
def test_tempered_sequential_monte_carlo_from_the_prior_is_the_grid(case):
    problem, y, exact = case
    draws, sentence = sequential_monte_carlo(problem, y, crowd=400, moves=40, seed=1)
    agree(draws, exact)
    assert "stages" in sentence


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("nautilus"), reason="the extra 'oracles' is not installed")
def test_nested_sampling_is_the_grid(case):
    problem, y, exact = case
    draws, costs = nested(problem, y, 0, live=300, effective=2500)
    agree(torch.from_numpy(draws), exact)
    assert costs["effective"] > 2000


def test_the_stored_reference_holds_its_truths_and_is_of_this_likelihood():
    data, problem = stored(), PROBLEMS.make("geoacoustic", tier="swx_9", signal_to_noise=5.0)
    assert list(data["parameter"].values) == list(problem.unknowns)
    nominal = torch.tensor([NOMINAL[name] for name in problem.unknowns], dtype=torch.float64)
    truths, observations = (torch.from_numpy(data[name].values).double() for name in ("x", "y"))
    torch.testing.assert_close(truths[0], nominal)
    default = torch.tensor(problem.default_observation).double()
    torch.testing.assert_close(observations[0], default, atol=1e-6, rtol=0)
    prior = problem.prior(40, torch.Generator().manual_seed(0))
    for truth, y, reference in zip(
        truths, observations, torch.from_numpy(data["reference"].values), strict=True
    ):
        draws = reference.double()
        low, high = draws.quantile(torch.tensor([0.001, 0.999]).double(), dim=0)
        assert (truth > low).all() and (truth < high).all()
        # log p of draws of a posterior spreads as half a chi-square of its unknowns, wherever the mode is
        logs, elsewhere = (problem.log_joint(x, y.expand(len(x), -1)) for x in (draws[:40], prior))
        assert logs.std() < 5 and logs.min() > elsewhere.median()
        # and the truth is as likely as they are
        own = problem.log_joint(truth[None], y[None])
        assert abs(float(own - logs.mean())) < 5 * logs.std()


def test_no_stored_draw_is_there_many_times():
    data = stored()
    for draws in data["reference"].values:
        assert len(set(map(bytes, draws))) > 0.95 * len(draws)
