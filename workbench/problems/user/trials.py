"""First calls of the user's simulator: does it follow its parameters, and where does its noise come from?"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.core.variable import Variable, named
from workbench.problems.user.calls import Outcome, Simulator, simulate_rows
from workbench.problems.user.outputs import Rows, column_names, select

if TYPE_CHECKING:
    from torch import Tensor

#: Parameter sets of the trials of a function that takes many at once: half of them stand in it twice.
HALF = 8
#: Most parameter sets of a trial whose simulations all failed.
_MOST = 64
#: Seconds beyond which no further call is made; different values from which on a column is judged.
_LONG, _FEWEST_VALUES = 2.0, 5
#: Largest magnitude up to which a number in double precision may have a fraction.
_EXACT = 2.0**53
#: Periods that values may run over before their period is doubted.
MOST_TURNS = 10.0


@dataclass(frozen=True)
class Behaviour:
    """Findings of the trials of a simulator: sentences that are warnings, and others that are notes."""

    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def first_call(
    simulator: Simulator, draw: Callable[[int, int], Tensor], width: int
) -> tuple[Tensor, Outcome]:
    """Simulate a few parameter sets of ``draw(n, seed)``, more of them while all fail.

    Where the function takes many at once, the first `HALF` of them stand in the call twice, and their number
    is not ``width``, the number of unknowns, so that a function of one parameter set does not fit. Raises
    `DataError` where nothing can be simulated.
    """
    x = draw(2, 0)
    if simulator.vectorised:
        sets = draw(HALF + (width == 2 * HALF), 0)
        x = torch.cat([sets, sets[:HALF]])
    try:
        outcome = simulator(x, 0)
        while not outcome.rows.layout and len(x) < _MOST:  # all failed
            x = draw(4 * len(x), 0)
            outcome = simulator(x, 0)
        if not outcome.rows.layout:
            raise DataError(
                "The simulator failed in every trial",
                expected="simulations that succeed",
                found=f"{len(x)} failures, such as {next(iter(outcome.reasons.values()), 'none')}",
            )
    except DataError as error:
        raise one_set_error(simulator, x, error) from error.__cause__
    return x, outcome


def constant_sentence(results: np.ndarray, variables: Sequence[Variable]) -> tuple[str, ...]:
    """Return a sentence on results (n, M) of a trial that are constant.

    A trial of a few simulations proves nothing, so that it is a warning: a run refuses a constant result.
    """
    columns = [
        v for v, c in zip(variables, results.T, strict=True) if np.isfinite(c).all() and np.ptp(c) == 0
    ]
    if not columns:
        return ()
    return (
        f"The result '{columns[0].name}' was the same in all {len(results)} simulations of the trial: a run "
        "refuses a result that is constant.",
    )


def one_set_error(simulator: Simulator, x: Tensor, error: DataError) -> DataError:
    """Return the error of a first call with a better hint, where the function takes other arguments."""
    if error.__cause__ is None and "wrong shape" not in error.asked and "every trial" not in error.asked:
        return error
    if simulator.vectorised and (lost := _rows_lost(simulator, x)):
        return DataError(
            "The simulator leaves parameter sets out",
            expected=f"{len(x)} rows, one for each parameter set",
            found=f"{len(x) - lost} rows",
            suggestion="return NaN in the rows that have no result, and say failed='drop' to leave these out",
        )
    if simulator.vectorised and _takes_one_set(simulator, x):
        return DataError(
            "The simulator takes one parameter set at a time",
            expected=f"a function of {len(x)} parameter sets at once, one a row, or vectorised=False",
            found=f"a function that works with one set and not with {len(x)}: {error.found}",
            suggestion="say vectorised=False",
        )
    count = _required_arguments(simulator.function)
    if count > 1:
        names = ", ".join("abcdefgh"[:count]) if count <= 8 else "a, b, …"
        columns = "x.T" if simulator.vectorised else "x"
        return DataError(
            "The simulator takes several arguments",
            expected="a function of one argument x that holds all parameters",
            found=f"{count} arguments",
            suggestion=f"write simulate(x) and begin it with {names} = {columns}",
        )
    return error


def _rows_lost(simulator: Simulator, x: Tensor) -> int:
    """Return how many rows a function of many parameter sets leaves out; 0 for another function.

    The number of its rows is smaller than that of the sets, and grows with it.
    """
    few = 5 + (x.shape[1] == 5)
    count, count_of_few = _row_count(simulator, x), _row_count(simulator, x[:few])
    return len(x) - count if 0 < count_of_few <= few and count_of_few < count < len(x) else 0


def _row_count(simulator: Simulator, x: Tensor) -> int:
    """Return the number of rows that the function gives for parameter sets x; 0 where that cannot be told."""
    try:
        simulator(x, 0)
    except DataError as error:
        rows = re.match(r"shape \((\d+)", error.found)
        return int(rows[1]) if rows and "wrong shape" in error.asked else 0
    return len(x)


def _takes_one_set(simulator: Simulator, x: Tensor) -> bool:
    """Test whether a function works with each of a few rows, and not with all of them at once."""
    count = 3 + (x.shape[1] == 3)
    try:
        results = simulate_rows(simulator.function, x[:count], list(range(count)), drop=False)
        if len({layout for _, layout in results}) != 1:
            return False
    except Exception:  # any error of the user's function
        return False
    try:
        return not replace(simulator, drop=False)(x[:count], 0).rows.layout
    except Exception:
        return True


def _required_arguments(function: Callable[..., Any]) -> int:
    """Return the number of arguments that a function needs; 1 where it cannot be told."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)


def behaviour(
    simulator: Simulator, x: Tensor, rows: Rows, other: Tensor, variables: Sequence[Variable]
) -> Behaviour:
    """Call a simulator again, and tell whether it follows its parameters and where its noise comes from.

    Parameters
    ----------
    x, rows : the parameters (n, D) and results of `first_call`.
    other : further parameter sets (`HALF` or more, D).
    variables : of the results.

    A function of many parameter sets is called three times again, one of a single one twice; a slow one is
    not.
    """
    values, names = rows.values, column_names(rows.layout, "y")
    turns = turn_sentences(select(rows, variables, "y", "simulator"), variables)
    if simulator.vectorised and len(x) > 2 * HALF + 1:  # most of the first ones failed
        return Behaviour(turns)
    if simulator.vectorised:
        findings = _of_batches(simulator, x, values, other, names)
    else:
        findings = _of_single(simulator, x, values)
    return Behaviour((*findings.warnings, *turns), findings.notes)


def _of_batches(
    simulator: Simulator, x: Tensor, first: np.ndarray, other: Tensor, names: list[str]
) -> Behaviour:
    place = len(x) - HALF  # of the sets that stand in the call twice
    parameters = torch.cat([x[:place], other[:HALF]])
    start = time.perf_counter()
    later = _values(simulator, parameters, 1, first.shape)
    if later is None or time.perf_counter() - start > _LONG:
        return Behaviour()
    rows = [
        i for i in range(HALF) if all(np.isfinite(v).all() for v in (first[i], first[place + i], later[i]))
    ]
    columns = [j for j in range(first.shape[1]) if _judged(first[:, j], later[:, j])]
    if len(rows) < HALF // 2 or not columns:
        return Behaviour()
    twice = [i + place for i in rows]
    tolerance = _tolerance(np.concatenate([first, later]))
    within = _equal(first[rows], first[twice], tolerance)
    across = _equal(first[rows], later[rows], tolerance)
    fewest = len(rows) // 2
    own = [j for j in columns if across[:, j].all() and (~within[:, j]).sum() >= fewest]
    common = [j for j in columns if within[:, j].all() and (~across[:, j]).sum() >= fewest]
    noisy = [j for j in columns if j not in own + common and not (within[:, j].all() and across[:, j].all())]
    warnings = _noise_warnings([names[j] for j in own], [names[j] for j in common])
    notes: list[str] = []
    if not own and not common and not noisy:
        notes.append(_NO_NOISE)
    if noisy or own:
        again = _values(simulator, parameters, 0, first.shape)
        different = (x[place:] != other[:HALF]).any(1).numpy()
        ignorant = [
            j
            for j in noisy + own
            if again is not None
            and different.sum() >= HALF // 2
            and _equal(first[place:], again[place:], tolerance)[different][:, j].all()
        ]
        sentence = _ignorance(sorted(ignorant), len(columns), names)
        (warnings if len(ignorant) == len(columns) else notes).extend(sentence)
    if noisy and time.perf_counter() - start < _LONG:
        again = _values(simulator, x, 0, first.shape)
        if again is not None and not _equal(first[rows], again[rows], tolerance)[:, noisy].all():
            notes.append(_UNSEEDED)
    return Behaviour(tuple(warnings), tuple(notes))


_UNSEEDED = (
    "The simulator draws random numbers that no seed governs: the same parameters with the same seed gave "
    "other results, so that a run cannot be repeated exactly. Draw them with torch, numpy.random.normal and "
    "its like, or random, without a generator of its own."
)
_COPIED = (
    "The simulator draws random numbers that no seed governs: the same parameters with the same seed gave "
    "other results. A generator of its own, such as numpy.random.default_rng(0) outside the function, is "
    "copied to every process, so that all of them repeat the same noise. Inside the function, write "
    "rng = numpy.random.default_rng(numpy.random.randint(2**31)), whose seed the workbench sets, or say "
    "processes=1."
)
_NO_NOISE = (
    "The simulator adds no noise: the same unknowns give exactly the same results. That is right for an "
    "exact calculation; where measurements have errors, add them in the function."
)


def _noise_warnings(own: list[str], shared: list[str]) -> list[str]:
    sentences = []
    if own:
        sentences.append(
            f"The simulator repeats its noise in every call ({_listed(own)}): it sets a seed of its own, or "
            "a row depends on the rows before it. Leave the seed out: random numbers of torch, NumPy and "
            "random are reproducible without one."
        )
    if shared:
        sentences.append(
            f"The results of one parameter set depend on the other rows of the call, or all rows share one "
            f"random number ({_listed(shared)}). Draw as many random numbers as there are rows, and compute "
            "each row by itself; say vectorised=False if the function is for one parameter set."
        )
    return sentences


def _ignorance(columns: Sequence[int], total: int, names: list[str]) -> list[str]:
    if not columns:
        return []
    if len(columns) == total:
        return [
            "The simulator's results do not depend on the unknowns: with the same random numbers, other "
            "parameter sets give exactly the same results. Posteriors will be the prior."
        ]
    return [
        f"The results {_listed([names[j] for j in columns])} do not depend on the unknowns: they are noise."
    ]


def _of_single(simulator: Simulator, x: Tensor, first: np.ndarray) -> Behaviour:
    if len(x) < 2 or not np.isfinite(first[:2]).all() or (x[0] == x[1]).all():
        return Behaviour()
    start = time.perf_counter()
    # the second parameter set with the seed, and thus the noise, of the first one
    third = _values(simulator, x[1:2], 0, (1, first.shape[1]))
    if third is None or time.perf_counter() - start > _LONG or not np.isfinite(third).all():
        return Behaviour()
    tolerance = _tolerance(first)
    again = _values(simulator, x[:1], 0, (1, first.shape[1]))
    if again is not None and np.isfinite(again).all() and not _equal(first[:1], again, tolerance).all():
        if simulator.processes == 1:
            return Behaviour(notes=(_UNSEEDED,))
        return Behaviour((_COPIED,))
    if _equal(first[1:2], third, tolerance).all():
        return Behaviour(notes=() if _equal(first[:1], third, tolerance).all() else (_SAME_TWICE,))
    fractional = (first[:2] != np.round(first[:2])).any()
    if fractional and _equal(first[:1], third, tolerance).all():
        return Behaviour(tuple(_ignorance([0], 1, [""])))
    return Behaviour()


_SAME_TWICE = (
    "The simulator gave exactly the same results when it was called twice with the same parameter set. That "
    "is right for an exact calculation; if it is to add noise, it sets a seed of its own: leave that out."
)


def _values(simulator: Simulator, x: Tensor, seed: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """Simulate at x; None where that fails or has another shape than the first call."""
    try:
        outcome = replace(simulator, drop=True)(x, seed)
    except DataError:
        return None
    values = outcome.rows.values
    return values if values.shape == shape else None


def _judged(*values: np.ndarray) -> bool:
    """Test whether results (n,) take enough different values that equal ones are no chance."""
    return len(np.unique(np.concatenate(values))) >= _FEWEST_VALUES


def _tolerance(values: np.ndarray) -> np.ndarray:
    """Return the largest difference (k,) of results (n, k) that are equal: a billionth of a column's spread,
    which is far less than its magnitude for a time since some epoch, or the rounding of its numbers."""
    spread = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    return np.maximum(1e-9 * spread, 16 * np.finfo(float).eps * np.nanmax(np.abs(values), axis=0))


def _equal(a: np.ndarray, b: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Test which results are equal up to the ``tolerance`` of their column."""
    return np.abs(a - b) <= tolerance


def _listed(names: list[str]) -> str:
    return named([Variable(name) for name in names])


def kind_notes(values: np.ndarray, variables: Sequence[Variable]) -> list[str]:
    """Return a sentence on results (n, k) that are whole numbers and are learned as continuous quantities."""
    columns = [
        v
        for v, column in zip(variables, values.T, strict=True)
        if not (v.categories or v.levels or v.period)
        and (inside := column[np.isfinite(column)]).size
        and (inside == np.round(inside)).all()
        and np.abs(inside).max() < _EXACT  # beyond it every number is whole
        and inside.min() != inside.max()
    ]
    if not columns:
        return []
    name = columns[0].name
    return [
        f"The results {named(columns)} are whole numbers and are given to the network as quantities. That "
        f"suits counts; for categories in no order, number them from 0 and write Variable({name!r}, "
        "categories=3) with their number."
    ]


def turn_sentences(values: np.ndarray, variables: Sequence[Variable]) -> tuple[str, ...]:
    """Return a sentence on each cyclic column of ``values`` (n, k) that runs over many periods."""
    notes = []
    for variable, column in zip(variables, values.T, strict=True):
        inside = column[np.isfinite(column)]
        if not variable.period or not inside.size:
            continue
        turns = (inside.max() - inside.min()) / variable.period
        if turns > MOST_TURNS:
            notes.append(
                f"The values of '{variable.name}' run from {inside.min():.4g} to {inside.max():.4g}, over "
                f"{turns:.0f} of its periods of {variable.period:g}: only the place in one is learned. "
                "If that is not meant, give another period, or none."
            )
    return tuple(notes)
