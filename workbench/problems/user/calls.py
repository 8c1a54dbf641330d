"""Calls of the user's simulator: reproducible noise, own copies of the parameters, processes, failures."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError, WorkbenchError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.problems.user.outputs import Layout, Rows, row_of, rows_of

if TYPE_CHECKING:
    from torch import Tensor

#: Seconds of work from which on it is given to processes, which take seconds to start.
_WORTH_PROCESSES = 2.0
#: Parameter sets that are simulated in this process first, to measure the time of one.
_TIMED = 2
_MOST_IN_CHUNK = 100


@dataclass(frozen=True)
class Outcome:
    """Simulations (n, k) of n parameter sets; rows that failed are NaN, with the reason by row."""

    rows: Rows
    reasons: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Simulator:
    """The user's function and how it is called.

    Parameters
    ----------
    function : x (n, D) -> y, or x (D,) -> y where it is not ``vectorised``.
    vectorised : false for a function that takes one parameter set at a time.
    drop : true where an exception is a failure of some simulations and not of the call.
    processes : number of processes for a function that is not vectorised; None for all processors.
    """

    function: Callable[[Tensor], Any]
    vectorised: bool = True
    drop: bool = False
    processes: int | None = None

    def __call__(self, x: Tensor, seed: int) -> Outcome:
        """Simulate at ``x`` (n, D). The same seed gives the same numbers, in however many processes.

        Raises `DataError` where the function raises, and where it returns no numbers.
        """
        x = x.detach().to("cpu", torch.float64)
        return self._at_once(x, seed) if self.vectorised else self._one_by_one(x, seed)

    def _at_once(self, x: Tensor, seed: int) -> Outcome:
        try:
            with global_numbers(seed, everywhere=True):
                result = self.function(x.clone())  # its own copy: it may change it in place
        except WorkbenchError:
            raise
        except Exception as error:
            if self.drop and len(x) > 1:  # which of the parameter sets it is, it does not say
                return self._separately(x, seed)
            if self.drop:
                return Outcome(Rows(np.full((1, 0), np.nan), ()), {0: _reason(error)})
            raise _failure(error) from error
        return Outcome(rows_of(result, len(x), "simulator"))

    def _separately(self, x: Tensor, seed: int) -> Outcome:
        outcomes = [self._at_once(row[None], own) for row, own in zip(x, _seeds(seed, len(x)), strict=True)]
        results: list[Any] = [
            o.reasons[0] if o.reasons else (o.rows.values[0], o.rows.layout) for o in outcomes
        ]
        return _collected(results)

    def _one_by_one(self, x: Tensor, seed: int) -> Outcome:
        seeds = _seeds(seed, len(x))
        start = time.perf_counter()
        results = simulate_rows(self.function, x[:_TIMED], seeds[:_TIMED], self.drop)
        each = (time.perf_counter() - start) / max(len(results), 1)
        rest = len(x) - len(results)
        if rest and self.processes != 1 and each * rest > _WORTH_PROCESSES:
            results += self._in_processes(x[_TIMED:], seeds[_TIMED:])
        elif rest:
            for part in _progress(((1, i) for i in range(_TIMED, len(x))), rest):
                results += simulate_rows(self.function, x[part : part + 1], seeds[part : part + 1], self.drop)
        return _collected(results)

    def _in_processes(self, x: Tensor, seeds: list[int]) -> list[Any]:
        import cloudpickle
        from joblib import Parallel, delayed, effective_n_jobs

        workers = effective_n_jobs(self.processes or -1)
        size = min(max(len(x) // (20 * workers), 1), _MOST_IN_CHUNK)
        handle, path = tempfile.mkstemp(suffix=".simulator")
        try:
            try:
                with os.fdopen(handle, "wb") as file:  # once, not with every task
                    cloudpickle.dump((self.function, self.drop), file)
            except Exception as error:
                raise DataError(
                    "The simulator cannot be sent to other processes",
                    found=f"{type(error).__name__}: {error}",
                    suggestion="say processes=1, or open files and devices inside the function",
                ) from error
            parts = [(x[i : i + size].numpy(), seeds[i : i + size]) for i in range(0, len(x), size)]
            chunks = Parallel(n_jobs=workers, backend="loky", return_as="generator")(
                delayed(_worker)(path, *part) for part in parts
            )
            results: list[Any] = []
            for chunk in _progress(((len(chunk), chunk) for chunk in chunks), len(x)):
                results += chunk
            return results
        finally:
            Path(path).unlink(missing_ok=True)


def _seeds(seed: int, n: int) -> list[int]:
    """Return a seed for each of n simulations."""
    return [int(word >> np.uint64(2)) for word in np.random.SeedSequence(seed).generate_state(n, np.uint64)]


def simulate_rows(function: Callable[[Tensor], Any], x: Tensor, seeds: list[int], drop: bool) -> list[Any]:
    """Call the function for each row of ``x``; return (numbers, layout) of each, or why it failed.

    Raises `DataError` where the function raises, unless ``drop`` is set.
    """
    results: list[Any] = []
    for row, seed in zip(x, seeds, strict=True):
        try:
            with global_numbers(seed, everywhere=True):
                result = function(row.clone())
        except WorkbenchError:
            raise
        except Exception as error:
            if not drop:
                raise _failure(error) from error
            results.append(_reason(error))
            continue
        results.append("returned None" if result is None and drop else row_of(result))
    return results


_functions: dict[str, tuple[Callable, bool]] = {}


def _worker(path: str, x: np.ndarray, seeds: list[int]) -> list[Any]:
    """Simulate rows in a process of their own, with the function that is pickled at ``path``."""
    if path not in _functions:
        import pickle

        torch.set_num_threads(1)
        _functions.clear()
        with open(path, "rb") as file:
            _functions[path] = pickle.load(file)
    function, drop = _functions[path]
    return simulate_rows(function, torch.from_numpy(x), seeds, drop)


def _collected(results: list[Any]) -> Outcome:
    """Put single simulations into rows; those that failed are NaN. Raises `DataError` for unequal shapes."""
    reasons = {i: result for i, result in enumerate(results) if isinstance(result, str)}
    layouts: list[Layout] = list(dict.fromkeys(r[1] for r in results if not isinstance(r, str)))
    if len(layouts) > 1:
        shapes = [", ".join(f"{name or 'y'} ({width or 1})" for name, width in layout) for layout in layouts]
        raise DataError(
            "The simulator returned different shapes",
            expected="as many numbers for each parameter set",
            found=" and ".join(shapes[:3]),
            suggestion="cut or fill them to one length, or return summaries",
        )
    layout = layouts[0] if layouts else ()
    width = sum(max(count, 1) for _, count in layout)
    values = np.full((len(results), width), np.nan)
    for i, result in enumerate(results):
        if not isinstance(result, str):
            values[i] = result[0]
    return Outcome(Rows(values, layout), reasons)


def _progress(parts: Iterator[tuple[int, Any]], total: int) -> Iterator[Any]:
    """Yield the second entries of ``parts``; a bar on a terminal or in a notebook counts the first ones."""
    from tqdm.std import tqdm

    visible = sys.stderr.isatty() or "ipykernel" in sys.modules
    with tqdm(total=total, desc="simulating", unit="", disable=not visible, delay=1, file=sys.stderr) as bar:
        for count, part in parts:
            yield part
            bar.update(count)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}" if str(error) else type(error).__name__


def _failure(error: Exception) -> DataError:
    hints = {
        "numpy": "the function gets a tensor: begin it with x = x.numpy() if it computes with NumPy",
        "drop": "say failed='drop' to leave out simulations that raise",
    }
    tensor = isinstance(error, (TypeError, AttributeError)) and "ensor" in str(error)
    return DataError(
        "The simulator failed",
        found=f"{type(error).__name__}: {error}",
        suggestion=hints["numpy" if tensor else "drop"],
    )
