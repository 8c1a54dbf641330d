"""Capped choosers: the pairs of variables and the fields of an observation that a page offers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from workbench.core.variable import Variable

#: Most variables whose pairs are offered: a dozen have 66 pairs.
MOST_VARIABLES = 12
#: Most components of an observation with a slider or a number field each; a longer one is one curve.
MOST_COMPONENTS = 24


def offered(variables: Sequence[Variable], spreads: Sequence[float] | None = None) -> list[int]:
    """Return the indices of the variables whose pairs are offered: all, or `MOST_VARIABLES` of them.

    Parameters
    ----------
    spreads : how much each variable varies, in units that can be compared; the most varying ones are then
        offered. Without it those are offered that are evenly spaced, the first and the last among them.
    """
    count = len(variables)
    if count <= MOST_VARIABLES:
        return list(range(count))
    if spreads is not None:
        return sorted(sorted(range(count), key=lambda i: -spreads[i])[:MOST_VARIABLES])
    return sorted({round(k * (count - 1) / (MOST_VARIABLES - 1)) for k in range(MOST_VARIABLES)})


def pairs_of(
    variables: Sequence[Variable], spreads: Sequence[float] | None = None
) -> dict[str, tuple[int, int]]:
    """Return the pairs of variables that a menu offers: label -> indices; ``spreads`` as in `offered`."""
    labels = {i: variables[i].label for i in offered(variables, spreads)}
    return {f"{labels[i]}, {labels[j]}": (i, j) for i, j in combinations(labels, 2)}


def pairs_label(variables: Sequence[Variable], label: str) -> str:
    """Return the label of a menu of pairs, which says how many variables are offered where not all are."""
    count = len(variables)
    return label if count <= MOST_VARIABLES else f"{label} ({MOST_VARIABLES} of {count})"


def is_curve(variables: Sequence[Variable]) -> bool:
    """Return True for an observation that is one curve on the screen, since it has too many components."""
    return len(variables) > MOST_COMPONENTS
