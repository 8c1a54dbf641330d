"""A mode that a network does not know is told, and no mode is missed where none is."""

from __future__ import annotations

import pytest
import torch

from tests.refinement.test_refinement import Normal, wrong
from workbench.core.shapes import Shapes
from workbench.inference.standardisation import Standardisation
from workbench.problems import PROBLEMS
from workbench.refinement import refine
from workbench.refinement.prior_check import PriorProposal
from workbench.training import FittedModel

SETTINGS = {"importance": {"draws": 4000}, "markov_chain": {"draws": 500, "crowd": 800, "moves": 10}}


def moons(shift, scale):
    problem = PROBLEMS.make("two_moons_posterior")
    standardisation = Standardisation(Shapes(2, 2)).double()
    return FittedModel(Normal(2, shift, scale), standardisation, problem.x, problem.y), problem


@pytest.mark.parametrize("method", SETTINGS)
def test_one_of_two_crescents_is_missing(method):
    # a normal of deviation 0.09 about one crescent; the other is eight deviations away
    model, problem = moons(0.95, 0.4)
    for seed in range(3):
        gain = refine(model, [0.0, 0.0], problem=problem, method=method, seed=seed, **SETTINGS[method]).gain
        assert "is missing" in gain.sentence, gain.sentence


@pytest.mark.parametrize("method", SETTINGS)
def test_nothing_is_missing_where_the_network_covers_all(method):
    model, problem = moons(0.0, 2.0)
    for seed in range(4):
        gain = refine(model, [0.0, 0.0], problem=problem, method=method, seed=seed, **SETTINGS[method]).gain
        assert "is missing" not in gain.sentence
    for features, shift, scale in ((2, 0.0, 1.0), (2, 0.5, 1.5), (5, 1.0, 1.0)):
        model, problem, y = wrong(features, shift, scale)
        gain = refine(model, y, problem=problem, method=method, **SETTINGS[method]).gain
        assert "is missing" not in gain.sentence


@pytest.mark.parametrize("key", ["gaussian_linear_uniform", "gaussian_linear", "lotka_volterra"])
def test_the_proposal_has_the_density_of_its_draws(key):
    generator = torch.Generator().manual_seed(0)
    problem = PROBLEMS.make(key)
    proposal = PriorProposal(problem, generator)
    x = proposal.draw(40_000, generator)
    # E[f / q] is the integral of f: here a normal density in the coordinates of the middle of the draws
    logs = torch.where(proposal.positive, x.clamp(min=1e-300).log(), x)
    normal = torch.distributions.Normal(logs.mean(0), 0.7 * logs.std(0))
    log_f = (normal.log_prob(logs) - logs * proposal.positive).sum(1)
    inside = ((x >= 0) | ~proposal.positive).all(1)
    integral = (log_f - proposal.log_density(x)).exp()[inside].mean()
    shares = [
        float(normal.cdf(proposal.high)[0] - normal.cdf(proposal.low)[0]) if i == 0 and b else 1.0
        for i, b in enumerate(proposal.boxed.tolist())
    ]
    assert float(integral) == pytest.approx(shares[0] ** int(proposal.boxed.sum()), rel=0.1)
