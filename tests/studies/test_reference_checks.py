"""References of the benchmark: independent of any network, symmetric, the same with two seeds and by another
algorithm, and equal to the published draws; deliberate faults are caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from workbench.core.errors import DataError
from workbench.diagnostics import c2st
from workbench.problems import PROBLEMS
from workbench.studies import STUDIES
from workbench.studies.exact_draws import _rejection, exact_draws
from workbench.studies.reference_checks import MIRRORS, floor_fault, mode_shares, reference_faults
from workbench.studies.tempered_draws import chain_draws, tempered_draws

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "sbibm"
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason="published draws are not on this machine")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def observed(key, seed=5000):
    problem = PROBLEMS.make(key)
    return problem, problem.draw(1, seeded(seed)).y[0].double()


@pytest.fixture(scope="module")
def slcp():
    problem, y = observed("slcp")
    return problem, y, *(exact_draws(problem, y, 2000, seeded(s)) for s in (1, 2))


# the checks themselves --------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", MIRRORS)
def test_the_reflections_leave_the_joint_density_as_it_is(key):
    problem = PROBLEMS.make(key)
    pairs = problem.draw(500, seeded(1))
    for direction in torch.tensor(MIRRORS[key]).double():
        unit = direction / direction.norm()
        mirror = pairs.x - 2 * (pairs.x @ unit)[:, None] * unit
        # at observations of other pairs as well: improbable there, and equally so
        y = torch.cat([pairs.y, pairs.y.roll(1, 0)])
        before, after = (problem.log_joint(torch.cat([x, x]), y) for x in (pairs.x, mirror))
        assert torch.equal(before.isfinite(), after.isfinite())
        finite = before.isfinite()
        assert torch.allclose(before[finite], after[finite], rtol=1e-9)


def test_independent_draws_pass_and_have_four_equal_modes(slcp):
    problem, y, x, again = slcp
    assert reference_faults(problem, y, x, again) == []
    assert (mode_shares("slcp", x) - 0.25).abs().max() < 4.5 * (0.25 * 0.75 / len(x)) ** 0.5


def test_a_reference_with_one_mode_is_caught(slcp, monkeypatch):
    problem, y, x, again = slcp
    one = x.clone()
    one[:, 2:4] = one[:, 2:4].abs()  # the posterior of a network that knows one mode of four
    (fault,) = reference_faults(problem, y, one, one.clone())[:1]
    assert "expected 4 modes of equal shares, found 0.000, 0.000, 0.000, 1.000" in fault
    # half of one mode's draws moved to its mirror image: subtler, and caught as well
    uneven = x.clone()
    rows = ((x[:, 2] > 0) & (x[:, 3] > 0)).nonzero()[::2, 0]
    uneven[rows, 2] *= -1
    assert any("equal shares" in fault for fault in reference_faults(problem, y, uneven))
    # and no cell of the study is measured against such a reference
    study = STUDIES.make("posteriors", draws=500)
    monkeypatch.setattr("workbench.studies.exact_draws.exact_draws", lambda *_: one[:500])
    with pytest.raises(DataError, match="reference of 'slcp'.*4 modes"):
        study._exact(problem, y, 0)


def test_seeds_that_disagree_repeated_draws_and_draws_outside_the_bounds_are_caught(slcp):
    problem, y, x, again = slcp
    shift = again.clone()
    shift[:, 0] += 0.3 * x[:, 0].std()
    assert any("Two seeds disagree in x1:" in fault for fault in reference_faults(problem, y, x, shift))
    faults = reference_faults(problem, y, x[:100].repeat(20, 1))
    assert len(faults) == 1 and "Only 5 % of the draws are distinct" in faults[0]
    assert "bounds" in reference_faults(problem, y, torch.cat([x, 4 + 0 * x[:1]]))[0]
    assert floor_fault(0.51, 2000) == "" and "found 0.600" in floor_fault(0.6, 2000)


# two algorithms ---------------------------------------------------------------------------------------------
def test_tempering_from_the_prior_gives_the_closed_form():
    problem = PROBLEMS.make("gaussian_linear", features=4)
    y = torch.tensor([0.7, -0.2, 0.4, 1.1]).double()
    result = tempered_draws(problem, y, 3000, seeded(1), walkers=1000, moves=20, last_moves=60)
    x = result.x
    assert result.beta == 1 and result.stages > 1 and x.shape == (3000, 4)
    # walkers of one ensemble are nearly independent; three rounds of them, with some correlation
    assert ((x.mean(0) - y / 2).abs() < 4.5 * 0.05**0.5 / 1000**0.5).all()
    assert torch.allclose(torch.cov(x.T), 0.05 * torch.eye(4).double(), atol=0.008)


def test_tempering_finds_the_modes_of_slcp_that_rejection_gives(slcp):
    problem, y, x, _ = slcp
    result = tempered_draws(problem, y, 2000, seeded(3)).x
    assert reference_faults(problem, y, result, x) == []


def test_chains_keep_to_their_budget_and_say_where_it_ends_early():
    problem, y = observed("slcp")
    calls = []
    original = problem._log_joint
    problem._log_joint = lambda x, y: (calls.append(len(x)), original(x, y))[1]
    for budget in (21_000, 120_000):
        calls.clear()
        result = chain_draws(problem, y, 1000, seeded(4), budget)
        assert result.evaluations == sum(calls) <= budget and result.x.shape == (1000, 5)
        assert 0.85 * budget < result.evaluations
    assert result.beta == 1
    hard, y = observed("bernoulli_glm")
    assert chain_draws(hard, y, 500, seeded(4), 20_000).beta < 1
    with pytest.raises(DataError, match="budget is too small"):
        chain_draws(problem, y, 100, seeded(0), 1000)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["slcp", "bernoulli_glm", "sir", "lotka_volterra"])
def test_references_are_the_same_with_two_seeds_and_by_another_algorithm(key):
    problem = PROBLEMS.make(key)
    # the third observation of slcp has a spike near x₃ = 0, for which 200 moves are too few; the others
    # take a minute for each observation
    count, moves = (3, 1000) if key == "slcp" else (1, 200)
    for y in problem.draw(3, seeded(5000)).y[:count]:
        x, again = (exact_draws(problem, y, 2000, seeded(s)) for s in (1, 2))
        result = tempered_draws(problem, y, 2000, seeded(3), moves=moves // 5, last_moves=moves).x
        assert reference_faults(problem, y, x, again) == []
        assert reference_faults(problem, y, x, result) == []
        # two classifiers, one a task, as C2ST of ten dimensions takes half a minute
        assert floor_fault(c2st(x.numpy(), again.numpy()), 2000) == ""
        assert floor_fault(c2st(x.numpy(), result.numpy()), 2000) == ""


@pytest.mark.slow
@pytest.mark.parametrize("key", ["slcp", "sir", "lotka_volterra"])
def test_references_agree_with_nested_sampling(key):
    nautilus = pytest.importorskip("nautilus", reason="the extra 'oracles' is not installed")
    problem, y = observed(key)

    def prior(u):
        if key == "slcp":
            return 6 * u - 3
        return np.exp(np.asarray(problem.locations) + np.asarray(problem.scales) * stats.norm.ppf(u))

    def log_likelihood(x):
        points = torch.from_numpy(np.atleast_2d(x))
        joint = problem.log_joint(points, y.expand(len(points), -1)).nan_to_num(nan=-1e300, neginf=-1e300)
        if key != "slcp":
            logs = points.log().numpy()
            normal = stats.norm.logpdf(logs, problem.locations, problem.scales).sum(1) - logs.sum(1)
            joint = joint - torch.from_numpy(normal)
        return joint.clamp(min=-1e30).numpy()

    sampler = nautilus.Sampler(prior, log_likelihood, problem.shapes.x, vectorized=True, seed=1, n_live=1500)
    sampler.run(n_eff=8000, discard_exploration=True)
    points, log_weights, _ = sampler.posterior()
    generator = np.random.default_rng(1)
    weights = np.exp(log_weights - log_weights.max())
    rows = generator.choice(len(points), 2000, replace=True, p=weights / weights.sum())
    x = exact_draws(problem, y, 2000, seeded(1))
    for i in range(problem.shapes.x):
        assert stats.ks_2samp(points[rows, i], x[:, i].numpy()).pvalue > 1e-4
    assert c2st(x.numpy(), points[rows]) < 0.54


# published draws --------------------------------------------------------------------------------------------
def published(key):
    file = {"two_moons_posterior": "two_moons"}.get(key, key)
    data = np.load(PUBLISHED / f"{file}.npz")
    return torch.from_numpy(data["observations"]).double(), torch.from_numpy(data["samples"]).double()


@needs_published
@pytest.mark.parametrize("key", ["two_moons_posterior", "gaussian_mixture", "gaussian_linear"])
def test_tempered_and_rejected_draws_are_those_that_were_published(key):
    problem = PROBLEMS.make(key)
    observations, samples = published(key)
    y, reference = observations[1], samples[1][:2000]
    result = tempered_draws(problem, y, 2000, seeded(1), moves=20, last_moves=100)
    assert reference_faults(problem, y, result.x, reference) == []
    assert reference_faults(problem, y, exact_draws(problem, y, 2000, seeded(2)), reference) == []
    if key == "gaussian_linear":  # one mode, as rejection by a Student distribution needs
        assert reference_faults(problem, y, _rejection(problem, y, 2000, seeded(3)), reference) == []
