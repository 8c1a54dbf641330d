"""A mode that a network does not know is told, and no mode is missed where none is."""

from __future__ import annotations

import math

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
    u = proposal.draw(40_000, generator)
    # E[f / q] is the integral of f: here a normal density in the coordinates, about their middle
    normal = torch.distributions.Normal(u.mean(0), 0.7 * u.std(0))
    integral = (normal.log_prob(u).sum(1) - proposal.log_density(u)).exp().mean()
    within = normal.cdf(torch.where(proposal.boxed, u.max(0).values, math.inf)) - normal.cdf(
        torch.where(proposal.boxed, u.min(0).values, -math.inf)
    )
    assert float(integral) == pytest.approx(float(within.prod()), rel=0.1)
    assert torch.allclose(proposal.to_u(proposal.to_x(u)), u)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda v: proposal.to_x(v[None])[0]))(u[:5])
    assert torch.allclose(jacobian.det().log(), proposal.log_volume(u[:5]))
    if (outside := proposal.low).numel():
        below = u[:1].clone()
        below[:, proposal.boxed] = outside - 1
        assert proposal.log_density(below).isinf()
