"""The cache of reference posteriors: the problem's own draws, drawn once, bounded, with its errors."""

from __future__ import annotations

import pytest
import torch

from workbench.core.errors import DataError
from workbench.inference.reference_posteriors import ReferenceCache, reference_sets
from workbench.problems import LinearGaussian


class Counting(LinearGaussian):
    """Counts its reference posteriors, and has none for y > 5."""

    calls = 0

    def _reference_posterior(self, observation, n, generator):
        Counting.calls += 1
        if float(observation[0]) > 5:
            raise DataError("No exact draws here")
        return super()._reference_posterior(observation, n, generator)


@pytest.fixture
def problem():
    Counting.calls = 0
    return Counting(features=2, observations=1, noise=0.5)


def test_draws_are_the_problems_and_are_drawn_once(problem):
    cache = ReferenceCache()
    first = cache.draws(problem, (0.5,), 20, 3)
    own = problem.reference_posterior([0.5], 20, torch.Generator().manual_seed(3))
    assert torch.equal(first, own) and Counting.calls == 2
    first.zero_()  # the cache keeps its own copy
    assert torch.equal(cache.draws(problem, [0.5], 20, 3), own) and Counting.calls == 2


@pytest.mark.parametrize(
    "change", [{"noise": 0.7}, {"observation": (0.6,)}, {"n": 21}, {"seed": 4}], ids=lambda c: next(iter(c))
)
def test_problem_observation_number_and_seed_are_the_key(problem, change):
    cache = ReferenceCache()
    arguments = {"observation": (0.5,), "n": 20, "seed": 3}
    cache.draws(problem, **arguments)
    other = Counting(features=2, observations=1, noise=change.get("noise", 0.5))
    cache.draws(other, **(arguments | {k: v for k, v in change.items() if k in arguments}))
    assert Counting.calls == 2 and len(cache) == 2


def test_an_error_is_raised_again_without_a_new_search(problem):
    cache = ReferenceCache()
    for _ in range(2):
        with pytest.raises(DataError, match="No exact draws"):
            cache.draws(problem, (9.0,), 20, 3)
    assert Counting.calls == 1


def test_sets_skip_observations_without_a_reference(problem):
    observations = torch.tensor([[0.1], [9.0], [0.3]], dtype=torch.float64)
    direct = reference_sets(problem, observations, 20, torch.Generator().manual_seed(3))
    draws = ReferenceCache().sets(problem, observations, 20, 3)
    assert list(direct) == list(draws) == [0, 2]
    assert all(torch.equal(direct[row], draws[row]) for row in direct)
    first = reference_sets(problem, observations, 20, torch.Generator().manual_seed(3), limit=1)
    assert list(first) == [0] and torch.equal(first[0], direct[0])


def test_the_cache_is_bounded_in_entries_and_numbers(problem):
    cache = ReferenceCache(size=3, numbers=100)
    for seed in range(5):
        cache.draws(problem, (0.5,), 10, seed)
    assert len(cache) == 3
    cache.draws(problem, (0.5,), 40, 9)  # 80 of 100 numbers: one of the older ones fits beside it
    assert len(cache) == 2
    calls = Counting.calls
    cache.draws(problem, (0.5,), 40, 9)
    assert Counting.calls == calls
