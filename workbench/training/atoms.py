"""Values that a large share of the rows of a continuous column have: a density cannot hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.core.kinds_of_values import value_text
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.training.copies import FEW

if TYPE_CHECKING:
    from torch import Tensor

#: Share of the rows from which equal values are told, and how much more frequent they are than the next.
SHARE, RATIO = 0.05, 5.0


def atom_notes(x: Tensor, variables: Sequence[Variable]) -> tuple[str, ...]:
    """Return a sentence for each continuous column of x (n, D) with a value that many rows have.

    Columns with a few values are of another kind, of which the problem itself tells.
    """
    notes = []
    for column, variable in zip(x.T, variables, strict=True):
        if variable.categories or variable.levels or len(column) < 50:
            continue
        values, counts = torch.unique(column, return_counts=True)
        if len(values) <= FEW:
            continue
        most, place = counts.max(0)
        others = counts.double().sum() - most
        typical = float(others / (len(values) - 1))
        share = int(most) / len(column)
        if share <= SHARE or int(most) < RATIO * typical:
            continue
        notes.append(_sentence(variable, float(values[place]), share, values))
    return tuple(notes)


def _sentence(variable: Variable, value: float, share: float, values: Tensor) -> str:
    edge = value in (float(values[0]), float(values[-1]))
    where = "at its edge" if edge else "among its other values"
    advice = (
        "If it stands for a limit of the measurement, such rows say only that the truth lies beyond it"
        if edge
        else "If it stands for a missing or a default value, leave such cells empty"
    )
    return (
        f"'{variable.name}' is {value_text(variable, value)} in {100 * share:.2g} % of the rows, {where}. A "
        "density has no probability at a single value: the network makes a narrow peak of it, and samples "
        f"scatter around it. {advice}; if it is a case of its own, such as no rain, make a category of that "
        f"case and leave its rows out of '{variable.name}'."
    )
