"""Values that the kinds of variables allow: rounding of samples, and checks of observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.errors import SpecError
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
            column = column.round().clamp(variable.low, variable.high)
        elif variable.period:
            turn = torch.remainder((column - variable.low) / variable.period, 1.0)
            column = variable.low + variable.period * turn
        columns.append(column)
    return torch.stack(columns, 1)


def check_values(
    rows: Tensor, variables: Sequence[Variable], noun: str = "observation", error: type = SpecError
) -> None:
    """Raise ``error`` for values (n, M) that a network cannot take: no logarithm, or no such category."""
    for i, variable in enumerate(variables):
        column = rows[:, i]
        if variable.scale == "log":
            wrong, allowed_values = column <= 0, f"a positive {variable.name}, which has a logarithmic scale"
        elif variable.categories:
            wrong = (column < 0) | (column >= variable.categories) | (column != column.round())
            allowed_values = f"one of the categories 0 to {variable.categories - 1} for {variable.name}"
        else:
            continue
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise error(
                f"The {noun} holds a value that its variable cannot have",
                expected=allowed_values,
                found=f"{column[row].item():g}" + (f" in row {row}" if len(rows) > 1 else ""),
            )
