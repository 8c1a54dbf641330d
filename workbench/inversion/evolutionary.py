"""Evolutionary inversion of a trained network: inputs are selected, crossed and mutated, without gradients.

fitness    the smaller the misfit e(x), the fitter
selection  tournament: the fittest of k drawn at random becomes a parent
crossover  blend: each gene (component of x) is uniform on the parents' interval, widened on both sides by a
           share α of its length, the setting ``blend``
mutation   each gene with some probability gets normal noise, whose size falls from one generation to the next
elitism    the fittest few pass unchanged, so that the best misfit never grows
Known      the population tends to gather at one preimage; other seeds find others
Source: Jensen et al. 1999, Inversion of feedforward neural networks, Proc. IEEE 87(9); blend crossover:
Eshelman and Schaffer 1993, Real-coded genetic algorithms and interval schemata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.lazy import torch
from workbench.inversion.base import INVERSION, InversionMethod, Question, Trace

if TYPE_CHECKING:
    from torch import Tensor

#: Size of the last mutations as a fraction of that of the first.
_LAST_MUTATION = 1e-3


@INVERSION.register
class EvolutionarySearch(InversionMethod):
    """Real-coded genetic algorithm that searches for inputs."""

    key = "evolutionary"
    title = "Evolutionary inversion"
    summary = "A population of inputs is selected, crossed and mutated until its image is the target."
    reference = (
        "Jensen et al. (1999), Inversion of feedforward neural networks: algorithms and applications, Proc. "
        "IEEE 87(9); Eshelman & Schaffer (1993), Real-coded genetic algorithms and interval schemata"
    )

    population = param.Integer(default=100, bounds=(4, 10_000), doc="Number of inputs in a generation.")
    generations = param.Integer(
        default=80, bounds=(1, 100_000), doc="How often the population is replaced by its children."
    )
    tournament = param.Integer(
        default=3,
        bounds=(1, 50),
        doc="Inputs drawn for each parent, of which the fittest is taken. Large is greedy, 1 random.",
    )
    crossover = param.Number(
        default=0.9, bounds=(0.0, 1.0), doc="Share of children with two parents; the others have one."
    )
    blend = param.Number(
        default=0.3,
        bounds=(0.0, 2.0),
        doc="How far beyond its parents a child may lie, as a share of the distance between them.",
    )
    mutation = param.Number(
        default=0.3, bounds=(0.0, 1.0), doc="Probability that a gene of a child is disturbed."
    )
    mutation_size = param.Number(
        default=0.2,
        bounds=(0.0, 5.0),
        doc="Standard deviation of the first disturbances, in half widths of the window; it falls.",
    )
    elite = param.Integer(default=2, bounds=(0, 100), doc="Number of the fittest that pass unchanged.")

    @property
    def iterations(self) -> int:
        return self.generations

    def _search(self, trace: Trace, question: Question, generator: torch.Generator) -> Tensor:
        elite = min(self.elite, self.population - 1)
        x = question.starts(self.population, generator)
        misfit = question.misfit(trace.image(x))
        trace.keep(0, x, misfit)
        for generation in range(1, self.generations + 1):
            order = misfit.nan_to_num(torch.inf).argsort()
            children = self._children(x, misfit, question, generation, generator)[elite:]
            fresh = question.misfit(trace.image(children))
            x = torch.cat([x[order[:elite]], children])
            misfit = torch.cat([misfit[order[:elite]], fresh])
            trace.keep(generation, x, misfit)
        return x

    def _children(
        self, x: Tensor, misfit: Tensor, question: Question, generation: int, generator: torch.Generator
    ) -> Tensor:
        """Return the next generation (n, D) by tournament selection, crossover and mutation."""

        def uniform() -> Tensor:
            return torch.rand(x.shape, generator=generator, dtype=torch.float64).to(x)

        one, other = (x[self._parents(misfit, generator)] for _ in range(2))
        low, high = torch.minimum(one, other), torch.maximum(one, other)
        reach = self.blend * (high - low)
        offspring = low - reach + uniform() * (high - low + 2 * reach)
        has_two_parents = uniform()[:, :1] < self.crossover
        children = torch.where(has_two_parents, offspring, one)
        size = self.mutation_size * _LAST_MUTATION ** (generation / self.generations)
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        mutates = uniform() < self.mutation
        return question.inside(torch.where(mutates, children + size * question.half * noise, children))

    def _parents(self, misfit: Tensor, generator: torch.Generator) -> Tensor:
        """Return the row numbers (n,) of the winners of n tournaments."""
        candidates = torch.randint(len(misfit), (len(misfit), self.tournament), generator=generator).to(
            misfit.device
        )
        winner = misfit.nan_to_num(torch.inf)[candidates].argmin(1, keepdim=True)
        return candidates.gather(1, winner)[:, 0]
