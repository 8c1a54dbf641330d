"""Cached samples of exact reference posteriors, which some problems take seconds to produce.

A problem's reference posterior may be missing at an observation far out in a tail; the error is then cached
in place of the samples.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import TYPE_CHECKING

from workbench.core.errors import DataError, WorkbenchError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Problem


def reference_sets(
    problem: Problem,
    observations: Iterable[Tensor],
    n: int,
    generator: torch.Generator,
    *,
    limit: int | None = None,
) -> dict[int, Tensor]:
    """Return ``n`` samples (n, D) of the exact posterior at each observation, by the observation's index.

    Observations without a reference posterior (`DataError`) are left out, and at most ``limit`` sets are
    drawn. All random numbers come from ``generator``, in the order of the observations.
    """
    sets: dict[int, Tensor] = {}
    for index, observation in enumerate(observations):
        if len(sets) == limit:
            break
        try:
            sets[index] = problem.reference_posterior(observation, n, generator)
        except DataError:
            continue
    return sets


class ReferenceCache:
    """Cache of reference-posterior samples by problem, settings, observations, number of samples and seed.

    At most ``size`` results, with at most ``numbers`` floating-point numbers in total, are kept; the least
    recently used are dropped first.
    """

    def __init__(self, size: int = 64, numbers: int = 4_000_000) -> None:
        self.size, self.numbers = size, numbers
        self._results: OrderedDict[Hashable, dict[int, Tensor] | WorkbenchError] = OrderedDict()
        self._lock = Lock()

    def draws(self, problem: Problem, observation: Iterable[float], n: int, seed: int) -> Tensor:
        """Return ``n`` samples (n, D) of the exact posterior at one observation (M,).

        Raises the `WorkbenchError` of a problem without a reference posterior at this observation; the error
        is cached, so that a repeated call fails at once.
        """
        row = torch.as_tensor(observation, dtype=torch.float64)
        key = ("one", *_problem_key(problem), tuple(row.tolist()), int(n), int(seed))
        result = self._lookup(key)
        if result is None:
            try:
                result = {0: problem.reference_posterior(row, n, _generator(seed))}
            except WorkbenchError as error:
                result = error
            self._store(key, result)
        if isinstance(result, WorkbenchError):
            raise result
        return result[0].clone()

    def sets(self, problem: Problem, observations: Tensor, n: int, seed: int) -> dict[int, Tensor]:
        """Return the cached `reference_sets` at observations (k, M), drawn with a generator of this seed."""
        rows = tuple(map(tuple, observations.tolist()))
        key = ("many", *_problem_key(problem), rows, int(n), int(seed))
        result = self._lookup(key)
        if not isinstance(result, dict):
            result = reference_sets(problem, observations, n, _generator(seed))
            self._store(key, result)
        return {index: draws.clone() for index, draws in result.items()}

    def clear(self) -> None:
        """Drop all cached results."""
        with self._lock:
            self._results.clear()

    def __len__(self) -> int:
        return len(self._results)

    def _lookup(self, key: Hashable) -> dict[int, Tensor] | WorkbenchError | None:
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def _store(self, key: Hashable, result: dict[int, Tensor] | WorkbenchError) -> None:
        with self._lock:
            self._results[key] = result
            while len(self._results) > self.size or (len(self._results) > 1 and self._total() > self.numbers):
                self._results.popitem(last=False)

    def _total(self) -> int:
        sets = (result for result in self._results.values() if isinstance(result, dict))
        return sum(draws.numel() for result in sets for draws in result.values())


#: The cache that views, checks and pages of one process share.
REFERENCES = ReferenceCache()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(seed))


def _problem_key(problem: Problem) -> tuple[Hashable, ...]:
    # the method itself is part of the key: two classes may share a key and differ in their posterior
    return (
        type(problem),
        type(problem)._reference_posterior,
        json.dumps(problem.values(), sort_keys=True, default=str),
    )
