"""Boundary marking: a cloud of points spreads along the whole set f(x) = target.

rank       by the misfit e(x); the M worst are dropped (misfits below the tolerance count as equal, and of
           equals the most crowded goes first, which is what makes the marks even)
parents    drawn among the fifth of the points that is least crowded: largest mean distance to m neighbours
child      x + κ n, n ~ N(0, V), V the square of half the window's width; it takes a dropped point's place
           κ falls from one generation to the next
coverage   the spread of the distances between nearest marks over their mean: 0 where they are equal
Source: Jensen et al. 1999, Inversion of feedforward neural networks, Proc. IEEE 87(9); Reed and Marks 1995.
"""

from __future__ import annotations

import param
import torch
from torch import Tensor

from workbench.inversion.base import INVERSION, InversionMethod, Question, Trace

#: Parents are drawn among this share of the points.
_PARENTS = 0.2


@INVERSION.register
class BoundaryMarking(InversionMethod):
    """Marks of a level set, evenly spread over all of it."""

    key = "boundary_marking"
    title = "Boundary marking"
    summary = "Points breed where the level set is thinly marked, until it is marked evenly."
    reference = (
        "Jensen et al. (1999), Inversion of feedforward neural networks: algorithms and applications, Proc. "
        "IEEE 87(9)"
    )

    tolerance = param.Number(
        default=0.02,
        bounds=(0.0, 10.0),
        doc="Misfits below this, in units of the scale of y, count as equal. 0 ranks by the misfit alone.",
    )
    marks = param.Integer(default=150, bounds=(10, 5_000), doc="Points that mark the set.")
    generations = param.Integer(
        default=400, bounds=(1, 100_000), doc="How often the worst points are replaced."
    )
    replaced = param.Number(
        default=0.05,
        bounds=(0.001, 0.8),
        doc="Share of the points that each generation replaces. A large share tears holes.",
    )
    neighbours = param.Integer(
        default=2,
        bounds=(1, 50),
        doc="So many nearest neighbours say how crowded a point is. Two suit a line, more a surface.",
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
        dropped = max(1, round(self.replaced * self.marks))
        for generation in range(1, self.generations + 1):
            excess = (misfit.nan_to_num(torch.inf) - self.tolerance).clamp(min=0)
            ranked = _last(excess, mean_neighbour_distance(x / question.half, self.neighbours))
            worst, kept = ranked[:dropped], ranked[dropped:]
            space = mean_neighbour_distance(x[kept] / question.half, self.neighbours)
            fertile = kept[space.argsort(descending=True)[: max(1, round(_PARENTS * len(kept)))]]
            parents = fertile[torch.randint(len(fertile), (dropped,), generator=generator)]
            noise = torch.randn(dropped, x.shape[1], generator=generator, dtype=torch.float64).to(x)
            kappa = self.reach * (self.last_reach / self.reach) ** (generation / self.generations)
            children = question.inside(x[parents] + kappa * question.half * noise)
            x, misfit = x.clone(), misfit.clone()
            x[worst], misfit[worst] = children, question.misfit(trace.image(children))
            trace.keep(generation, x, misfit)
        return x


def _last(excess: Tensor, space: Tensor) -> Tensor:
    """Rows from the first to go to the last: by excess, and among equals the most crowded first."""
    crowded = space.argsort(stable=True)
    return crowded[excess[crowded].argsort(descending=True, stable=True)]


def mean_neighbour_distance(points: Tensor, neighbours: int) -> Tensor:
    """(n, D) -> (n,) mean distance to the nearest ``neighbours`` other points: large where it is not
    crowded."""
    count = min(neighbours, len(points) - 1)
    return torch.cdist(points, points).topk(count + 1, largest=False).values[:, 1:].mean(1)


def unevenness(points: Tensor) -> float:
    """Standard deviation over mean of the distances to the nearest other point: 0 for even marks."""
    nearest = mean_neighbour_distance(points, 1)
    return float(nearest.std(unbiased=False) / nearest.mean())
