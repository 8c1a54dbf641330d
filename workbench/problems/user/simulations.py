"""Pairs (x, y) that were simulated elsewhere: arrays, tensors, or a Dataset with vectors in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import DataError, SpecError, unknown
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS
from workbench.problems.user.failures import Failures
from workbench.problems.user.numbers import MINIMUM_ROWS
from workbench.problems.user.outputs import (
    Rows,
    checked,
    described,
    distinct,
    rows_of,
    select,
)
from workbench.problems.user.pairs import Pairs, RowsOfPairs, check_pairs
from workbench.problems.user.row_labels import align_rows


@PROBLEMS.register
class SimulationsProblem(RowsOfPairs):
    """Pairs that were simulated elsewhere; each is drawn at most once, as are the rows of a table.

    Parameters
    ----------
    parameters : the unknowns (n, D): an array, tensor or list, or a dictionary, table or xarray.Dataset of
        arrays by name whose first dimension counts the simulations. Tables and Series of pandas are matched
        to the results by their index, arrays of xarray by the coordinate of the dimension that they share.
    results : the observations (n, …), of the same kinds and of any fixed shape. Left out where ``parameters``
        holds both; then ``x`` and ``y`` name them.
    x, y : variables or names; by default those of a dictionary, or ``x_0``, ``y_0`` and so on. An array
        ``profile`` of several numbers a row is ``profile_0``, ``profile_1``, ….
    failed : what to do where results are not finite: "refuse", or "drop", which leaves out such pairs and
        says how many and where.

    Raises `DataError` for numbers that cannot be used, and `SpecError` for names that do not fit.

    Examples
    --------
    >>> import numpy as np, workbench as wb
    >>> theta = np.random.default_rng(0).uniform(0, 1, size=(1000, 2))
    >>> curves = np.sin(theta[:, :1] + theta[:, 1:] * np.arange(5))
    >>> problem = wb.SimulationsProblem(theta, curves, x=[wb.Variable("phase", low=0, high=1), "pitch"])
    """

    key = "simulations"
    title = "Your own simulations"
    summary = "Arrays x and y that were simulated elsewhere, given in a notebook or a script."
    reference = "Your simulations"

    @public
    def __init__(
        self,
        parameters: Any = None,
        results: Any = None,
        *,
        x: Sequence[Variable | str] = (),
        y: Sequence[Variable | str] = (),
        failed: str = "refuse",
    ) -> None:
        if parameters is None:
            raise SpecError(self.unavailable())
        if failed not in ("refuse", "drop"):
            raise unknown("treatment of failures", str(failed), ("refuse", "drop"))
        if results is None:
            parameters, results = _separated(parameters, x, y)
        super().__init__()
        parameters, results, notes = align_rows(parameters, results)
        inputs, outputs = _rows(parameters, "parameters"), _rows(results, "results")
        if len(inputs.values) != len(outputs.values):
            raise DataError(
                "Parameters and results have different numbers of rows",
                expected="one result for each parameter set",
                found=f"{len(inputs.values)} and {len(outputs.values)}",
            )
        variables = tuple(
            described(v, r, rows.layout) for v, r, rows in ((x, "x", inputs), (y, "y", outputs))
        )
        distinct(variables[0] + variables[1])
        self._pairs = _checked_pairs(inputs, outputs, *variables, failed, notes)

    @classmethod
    def from_values(cls, values: dict[str, Any], folder: Path | str | None = None) -> Self:
        """Return the problem that a run keeps in ``folder``; raises `SpecError` where there is none."""
        pairs = Pairs.load(Path(folder)) if folder is not None else None
        if pairs is None or values:
            raise SpecError(cls.unavailable())
        return cls._of(pairs)

    @classmethod
    def unavailable(cls) -> str:
        """Return the reason why a form cannot offer this problem: it needs arrays of Python."""
        return (
            "Simulations can only be given in a notebook or a script, with SimulationsProblem(x, y), because "
            "arrays do not travel in links."
        )


def _rows(values: Any, source: str) -> Rows:
    """Return numbers by row; the first dimension counts the simulations. Raises `DataError` for others."""
    if isinstance(values, dict) or hasattr(values, "data_vars"):
        entries = [values[name] for name in values]
        first = entries[0] if entries else []
    else:
        first = values
    try:
        return rows_of(values, len(first), source)
    except TypeError as error:
        raise DataError(
            f"The {source} are not rows of numbers",
            expected="an array (n, …), or a dictionary of arrays by name",
            found=type(values).__name__,
        ) from error


def _separated(source: Any, x: Sequence[Any], y: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays that x and y name in one source of both; raises `SpecError` for a missing name."""
    if not (hasattr(source, "keys") and hasattr(source, "__getitem__")):
        raise SpecError(
            "The results of the simulations are missing",
            expected="SimulationsProblem(parameters, results), or a Dataset of both with x=[…] and y=[…]",
            found=type(source).__name__,
        )
    names = [str(name) for name in (getattr(source, "variables", None) or source.keys())]
    parts = []
    for role, variables in (("x", x), ("y", y)):
        names_of_role = [v.name if isinstance(v, Variable) else v for v in variables]
        if not names_of_role:
            raise SpecError(
                f"It is not said which of the arrays are {role}",
                expected=f"{role}=[…], of {', '.join(names[:8])}",
                found="none",
            )
        for name in names_of_role:
            if name not in names:
                raise unknown("array", str(name), names, owner="The source of the simulations")
        parts.append({name: source[name] for name in names_of_role})
    return parts[0], parts[1]


def _checked_pairs(
    inputs: Rows,
    outputs: Rows,
    x: tuple[Variable, ...],
    y: tuple[Variable, ...],
    failed: str,
    notes: tuple[str, ...],
) -> Pairs:
    """Return the pairs that are finite. Raises `DataError` for others unless they are to be dropped."""
    parameters = select(inputs, x, "x", "array of parameters")
    results = select(outputs, y, "y", "array of results")
    for values, variables, noun in ((parameters, x, "parameters"), (results, y, "results")):
        wrong = (~np.isfinite(values)).sum(axis=0)
        if wrong.any() and (failed == "refuse" or noun == "parameters"):
            i = int(wrong.argmax())
            raise DataError(
                f"The {noun} hold values that are not finite",
                expected="finite numbers",
                found=f"{int(wrong[i])} of {len(values)} in '{variables[i].name}'",
                suggestion="say failed='drop' to leave such pairs out" if noun == "results" else "",
            )
    bad = ~np.isfinite(results).all(axis=1)
    texts = [f"not finite in '{y[int((~np.isfinite(row)).argmax())].name}'" for row in results[bad]]
    notes = (*notes, *Failures(parameters, bad, texts).sentences(x))
    pairs = Pairs(
        checked(parameters[~bad], x, "array of parameters"),
        checked(results[~bad], y, "array of results"),
        x,
        y,
        notes=notes,
    )
    if len(pairs) < MINIMUM_ROWS:
        raise DataError(
            "There are too few simulations to learn from",
            expected=f"at least {MINIMUM_ROWS}",
            found=str(len(pairs)),
        )
    check_pairs(pairs.x, pairs.y, (x, y))
    return pairs
