"""Values that the kinds of variables allow: rounding of samples, and checks of observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.errors import SpecError
from workbench.core.kinds_of_values import value_text
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable


def is_bounded(variable: Variable) -> bool:
    """Return True for a variable with a finite edge of its support."""
    return any(math.isfinite(edge) for edge in variable.support)


def as_values(x: Tensor, variables: Sequence[Variable]) -> Tensor:
    """Return samples x (n, D) as values of their variables: whole numbers rounded, cycles taken back."""
    if not any(v.levels or v.period for v in variables):
        return x
    columns = []
    for i, variable in enumerate(variables):
        column = x[:, i]
        if variable.levels:
            column = column.round().clamp(variable.low, variable.high) + 0.0  # no negative zero
        elif variable.period:
            turn = torch.remainder((column - variable.low) / variable.period, 1.0)
            column = variable.low + variable.period * turn
        columns.append(column)
    return torch.stack(columns, 1)


def at_categories(x: Tensor, variables: Sequence[Variable]) -> Tensor:
    """Return trial points x (n, D) with categories in categorical columns, which were standard normal."""
    columns = list(x.T)
    for i, variable in enumerate(variables):
        if variable.categories:
            share = torch.special.ndtr(columns[i]) * variable.categories
            columns[i] = share.floor().clamp(max=variable.categories - 1)
    return torch.stack(columns, 1) if columns else x


def check_values(
    rows: Tensor,
    variables: Sequence[Variable],
    noun: str = "observation",
    error: type = SpecError,
    *,
    whole: bool = True,
) -> None:
    """Raise ``error`` for values (n, M) that their variables cannot have.

    These are values without a logarithm, numbers of no category, and for whole numbers fractions and values
    outside their bounds; not of whole numbers unless ``whole``: a network itself takes fractions.
    """
    for i, variable in enumerate(variables):
        column = rows[:, i]
        if variable.levels and not whole:
            continue
        wrong, allowed_values = _impossible(column, variable)
        if wrong is not None and wrong.any():
            row = int(wrong.nonzero()[0])
            raise error(
                f"The {noun} holds a value that its variable cannot have",
                expected=allowed_values,
                found=f"{column[row].item():g}" + (f" in row {row}" if len(rows) > 1 else ""),
            )


def _impossible(column: Tensor, variable: Variable) -> tuple[Tensor | None, str]:
    """Return where values (n,) are impossible, and the possible ones in words; (None, "") where all are."""
    if variable.scale == "log":
        return column <= 0, f"a positive {variable.name}, which has a logarithmic scale"
    if variable.categories:
        wrong = (column < 0) | (column >= variable.categories) | (column != column.round())
        labels = f" ({', '.join(variable.labels[:6])}{', …' * (len(variable.labels) > 6)})"
        return wrong, (
            f"one of the categories 0 to {variable.categories - 1}{labels if variable.labels else ''} for "
            f"{variable.name}"
        )
    if not variable.levels:
        return None, ""
    low, high = variable.low, variable.high
    bounds = f" from {low:g}" * math.isfinite(low) + f" up to {high:g}" * math.isfinite(high)
    wrong = (column < low) | (column > high) | (column != column.round())
    return wrong, f"a whole number{bounds} for {variable.name}"


def outside_bounds(values: Sequence[float], variables: Sequence[Variable]) -> list[str]:
    """Report values (M,) outside the bounds of their variables, in at most a sentence."""
    far = [
        (v, value)
        for v, value in zip(variables, values, strict=True)
        if not v.period and not v.low <= value <= v.high
    ]
    if not far:
        return []
    variable, value = far[0]
    low, high = (value_text(variable, edge, unit=False) for edge in (variable.low, variable.high))
    others = f" ({len(far) - 1} more likewise)" if len(far) > 1 else ""
    return [
        f"{variable.name} = {value_text(variable, value)} lies outside its bounds, {low} to {high}{others}: "
        "no row of the training does."
    ]
