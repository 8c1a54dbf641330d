"""Exact draws for the benchmark of posteriors: of a closed form, and invariant under exact Markov chains."""

from __future__ import annotations

import pytest
import torch

from workbench.core.errors import DataError
from workbench.problems import PROBLEMS
from workbench.studies.exact_draws import _rejection, exact_draws
from workbench.studies.user_forms import as_simulator, as_table


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_rejection_gives_the_closed_form_where_there_is_one():
    problem = PROBLEMS.make("gaussian_linear", features=4)
    y = torch.tensor([0.7, -0.2, 0.4, 1.1]).double()
    x = _rejection(problem, y, 4000, seeded(1))
    error = 0.05**0.5 / 4000**0.5
    assert x.shape == (4000, 4) and ((x.mean(0) - y / 2).abs() < 4.5 * error).all()
    assert torch.allclose(torch.cov(x.T), 0.05 * torch.eye(4).double(), atol=0.005)
    assert len(x.unique(dim=0)) == 4000  # independent draws, none repeated


@pytest.mark.parametrize("key", ["slcp", "sir", "bernoulli_glm"])
def test_an_exact_markov_chain_leaves_the_draws_as_they_are(key):
    problem = PROBLEMS.make(key)
    y = problem.draw(1, seeded(3)).y[0]
    x = exact_draws(problem, y, 1500, seeded(4))
    generator, chain = seeded(5), x.clone()
    density, step = problem.log_joint(chain, y.expand(len(x), -1)), 0.4 * x.std(0) / x.shape[1] ** 0.5
    for _ in range(60 if key == "slcp" else 12):
        proposal = chain + step * torch.randn(x.shape, generator=generator).double()
        there = problem.log_joint(proposal, y.expand(len(x), -1)).nan_to_num(nan=-torch.inf)
        accept = (there - density).exp() > torch.rand(len(x), generator=generator).double()
        chain = torch.where(accept[:, None], proposal, chain)
        density = torch.where(accept, there, density)
    assert float((chain != x).any(1).double().mean()) > 0.8
    for moment in (lambda t: t, lambda t: t.square(), torch.abs):
        change = moment(chain) - moment(x)
        assert ((change.mean(0)).abs() < 4.5 * change.std(0) / len(x) ** 0.5).all()


def test_a_problem_without_any_density_is_refused():
    simulator = as_simulator(PROBLEMS.make("slcp"))
    with pytest.raises(DataError, match="joint density"):
        exact_draws(simulator, torch.zeros(8), 10, seeded(0))


def test_a_task_as_users_bring_it_has_the_same_pairs_and_no_more_knowledge():
    problem = PROBLEMS.make("gaussian_linear_uniform")
    table, simulator = as_table(problem, 300, 0), as_simulator(problem)
    pairs = problem.draw(300, seeded(10_000))
    rows = table.draw(300, seeded(1))
    assert torch.equal(rows.x.sort(0).values, pairs.x.sort(0).values)
    assert all(v.low == -float("inf") and v.high == float("inf") for v in table.x)
    assert [(v.low, v.high) for v in simulator.x] == [(v.low, v.high) for v in problem.x]
    first, again = (simulator.draw(50, seeded(2)) for _ in range(2))
    assert torch.equal(first.y, again.y)
    assert float((first.y - first.x).std()) == pytest.approx(0.1**0.5, rel=0.1)
