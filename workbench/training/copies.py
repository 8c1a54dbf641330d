"""Exact copies among the rows of a run, which stay on one side of every split.

A row that stands in training and in validation is learned by heart, and validation rewards it. Rows are
copies where x and y agree in every column and an agreement by chance is out of the question: at least one
column is continuous. Of categories, whole numbers and columns with a few values, equal rows are observations
of their own, unless every row stands several times and the numbers of times are more alike than those of
independent draws, which are Poisson numbers without zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import Samples

if TYPE_CHECKING:
    from torch import Tensor

#: Most values of a column that count as few: of any numbers, and of whole ones.
FEW, FEW_WHOLE = 20, 100
#: Share of copies above which a warning is issued, and not only an event written.
WARNED = 0.05


def equal_rows(*parts: Tensor) -> Tensor | None:
    """Return labels (n,), int64, that are the same for equal rows of ``parts`` (n, k); None without any."""
    n = len(parts[0])
    labels = torch.zeros(n, dtype=torch.int64)
    for column in (column for part in parts for column in part.T):
        values = torch.unique(column, return_inverse=True)[1]
        labels = torch.unique(labels * n + values, return_inverse=True)[1]
        if int(labels.max()) == n - 1:
            return None
    return labels


def copies(samples: Samples, variables: Sequence[Variable]) -> Tensor | None:
    """Return labels (n,) that are the same for exact copies among pairs; None where there are none.

    ``variables`` are those of x and of y.
    """
    labels = equal_rows(samples.x, samples.y)
    if labels is None:
        return None
    columns = [*samples.x.T, *samples.y.T]
    if all(_is_discrete(c, v) for c, v in zip(columns, variables, strict=True)) and not _copied(labels):
        return None
    return labels


def _is_discrete(column: Tensor, variable: Variable) -> bool:
    """Test whether values of a column (n,) agree by chance: it has few of them, or is declared so."""
    if variable.categories or variable.levels:
        return True
    count = len(torch.unique(column))
    return count <= FEW or (count <= FEW_WHOLE and bool((column == column.round()).all()))


def _copied(labels: Tensor) -> bool:
    """Test whether every row stands several times, by numbers more alike than those of independent draws."""
    times = torch.unique(labels, return_counts=True)[1].double()
    mean = float(times.mean())
    if len(times) < 2 or float(times.min()) < 2:
        return False
    rate = mean  # of a Poisson number whose mean without zero is `mean`
    for _ in range(100):
        rate = mean * (1 - math.exp(-rate))
    return float(times.var()) < 0.25 * mean * (1 + rate - mean)


def kept_together(samples: Samples, labels: Tensor | None) -> Samples:
    """Return samples whose groups hold the rows of one label as well; unchanged without ``labels``."""
    if labels is None:
        return samples
    if samples.groups is None:
        return replace(samples, groups=labels)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, groups = torch.unique(samples.groups, return_inverse=True)
    size = int(groups.max()) + 1
    nodes = size + int(labels.max()) + 1
    edges = (groups.numpy(), size + labels.numpy())
    matrix = coo_matrix((torch.ones(len(labels)).numpy(), edges), shape=(nodes, nodes))
    components = connected_components(matrix, directed=False)[1]
    return replace(samples, groups=torch.from_numpy(components[edges[0]]).long())


def share_of_copies(labels: Tensor) -> float:
    """Return the share of the rows that repeat another row."""
    return 1 - (int(labels.max()) + 1) / len(labels)


def sentence(labels: Tensor) -> str:
    """Return what to know of the copies with these labels."""
    n, distinct = len(labels), int(labels.max()) + 1
    return (
        f"{n - distinct:,} of {n:,} rows ({100 * share_of_copies(labels):.2g} %) are exact copies of another "
        f"row, and {distinct:,} are distinct. Copies stay on one side of every split, so that validation "
        "does not reward rows that were learned by heart. Leave them out if they are no observations of "
        "their own."
    )


def in_order_of_appearance(labels: Tensor) -> Tensor:
    """Return labels (n,) numbered 0, 1, 2, … by the first row that has each."""
    _, places = torch.unique(labels, return_inverse=True)
    first = torch.full((int(places.max()) + 1,), len(labels))
    first = first.scatter_reduce(0, places, torch.arange(len(labels)), "amin")
    return first.argsort().argsort()[places]
