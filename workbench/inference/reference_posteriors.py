"""Draws of exact reference posteriors, cached: some problems take seconds to produce them.

A problem's reference posterior may be missing at an observation far out in a tail; the error is then part of
the result, and is cached as well.
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
    """``n`` draws (n, D) of the exact posterior at each observation, by the observation's index.

    Observations without a reference posterior (`DataError`) are left out. The loop ends once ``limit`` sets
    have been drawn. All draws come from ``generator``, in the order of the observations.
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
    """Reference posteriors by problem, settings, observations, number of draws and seed.

    At most ``size`` results of at most ``numbers`` floating-point numbers together are kept; the least
    recently used are dropped first.
    """

    def __init__(self, size: int = 64, numbers: int = 4_000_000) -> None:
        self.size, self.numbers = size, numbers
        self._results: OrderedDict[Hashable, dict[int, Tensor] | WorkbenchError] = OrderedDict()
        self._lock = Lock()

    def draws(self, problem: Problem, observation: Iterable[float], n: int, seed: int) -> Tensor:
        """``n`` draws (n, D) at one observation (M,).

        Raises the `WorkbenchError` of a problem without a reference posterior there; the search for one is
        not repeated.
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
        """`reference_sets` at observations (k, M) from a generator with this seed."""
        rows = tuple(map(tuple, observations.tolist()))
        key = ("many", *_problem_key(problem), rows, int(n), int(seed))
        result = self._lookup(key)
        if not isinstance(result, dict):
            result = reference_sets(problem, observations, n, _generator(seed))
            self._store(key, result)
        return {index: draws.clone() for index, draws in result.items()}

    def clear(self) -> None:
        """Forget everything."""
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


#: Shared by the views, checks and pages of one process.
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
