"""Boundary marking: a population of points spreads along the whole set f(x) = target of a trained network.

rank       by the misfit e(x); the worst are replaced (misfits below the tolerance count as equal, and of
           equals the most crowded is replaced first, which spaces the points evenly)
parents    drawn among the fifth of the points that is least crowded: largest mean distance to m neighbours
child      x + κ n, n ~ N(0, V), V the square of half the window's width; it replaces a point
           κ falls from one generation to the next
coverage   standard deviation of the distances between nearest points over their mean: 0 where they are equal
Source: Jensen et al. 1999, Inversion of feedforward neural networks, Proc. IEEE 87(9); Reed and Marks 1995.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.inversion.base import INVERSION, InversionMethod, Question, Trace

if TYPE_CHECKING:
    from torch import Tensor

#: Parents are drawn among this share of the points, the least crowded ones.
_PARENTS = 0.2


@INVERSION.register
class BoundaryMarking(InversionMethod):
    """A population of points that spreads evenly over the level set f(x) = target."""

    key = "boundary_marking"
    title = "Boundary marking"
    summary = "Points multiply where the level set is sparsely marked, until it is marked evenly."
    reference = (
        "Jensen et al. (1999), Inversion of feedforward neural networks: algorithms and applications, Proc. "
        "IEEE 87(9)"
    )

    tolerance = param.Number(
        default=0.02,
        bounds=(0.0, 10.0),
        doc="Misfits below this, in units of the scale of y, count as equal. 0 ranks by the misfit alone.",
    )
    marks = param.Integer(default=150, bounds=(10, 5_000), doc="Number of points on the level set.")
    generations = param.Integer(
        default=400, bounds=(1, 100_000), doc="How often the worst points are replaced."
    )
    replaced = param.Number(
        default=0.05,
        bounds=(0.001, 0.8),
        doc="Share of the points that each generation replaces. A large share leaves gaps.",
    )
    neighbours = param.Integer(
        default=2,
        bounds=(1, 50),
        doc="Number of nearest neighbours that measure crowding. Two suit a line, more a surface.",
    )
    reach = param.Number(
        default=0.5,
        bounds=(1e-3, 5.0),
        doc="How far the first children fall from their parents, in half widths of the window.",
    )
    last_reach = param.Number(
        default=0.05, bounds=(1e-5, 1.0), doc="How far the last children fall, in half widths of the window."
    )

    @property
    def iterations(self) -> int:
        return self.generations

    def _search(self, trace: Trace, question: Question, generator: torch.Generator) -> Tensor:
        x = question.starts(self.marks, generator)
        misfit = question.misfit(trace.image(x))
        trace.keep(0, x, misfit)
        n_replaced = max(1, round(self.replaced * self.marks))
        for generation in range(1, self.generations + 1):
            excess = (misfit.nan_to_num(torch.inf) - self.tolerance).clamp(min=0)
            order = _replacement_order(excess, mean_neighbour_distance(x / question.half, self.neighbours))
            worst, rest = order[:n_replaced], order[n_replaced:]
            space = mean_neighbour_distance(x[rest] / question.half, self.neighbours)
            fertile = rest[space.argsort(descending=True)[: max(1, round(_PARENTS * len(rest)))]]
            parents = fertile[torch.randint(len(fertile), (n_replaced,), generator=generator)]
            noise = torch.randn(n_replaced, x.shape[1], generator=generator, dtype=torch.float64).to(x)
            kappa = self.reach * (self.last_reach / self.reach) ** (generation / self.generations)
            children = question.inside(x[parents] + kappa * question.half * noise)
            x, misfit = x.clone(), misfit.clone()
            x[worst], misfit[worst] = children, question.misfit(trace.image(children))
            trace.keep(generation, x, misfit)
        return x


def _replacement_order(excess: Tensor, space: Tensor) -> Tensor:
    """Return row numbers (n,) in order of replacement: largest misfit first, of equals the most crowded."""
    by_space = space.argsort(stable=True)
    return by_space[excess[by_space].argsort(descending=True, stable=True)]


def mean_neighbour_distance(points: Tensor, neighbours: int) -> Tensor:
    """Return the mean distance (n,) of points (n, D) to their ``neighbours`` nearest other points."""
    count = min(neighbours, len(points) - 1)
    return torch.cdist(points, points).topk(count + 1, largest=False).values[:, 1:].mean(1)


def unevenness(points: Tensor) -> float:
    """Return the coefficient of variation of nearest-neighbour distances: 0 for evenly spaced points."""
    nearest = mean_neighbour_distance(points, 1)
    return float(nearest.std(unbiased=False) / nearest.mean())
