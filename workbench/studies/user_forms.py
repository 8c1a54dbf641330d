"""A benchmark problem in the two forms in which users bring theirs: rows of a table, and a simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.core.variable import Variable

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems import Problem, SimulatorProblem, TableProblem

#: Seeds of the tables are these and the seed of the cell.
_SEED = 10_000


def as_table(problem: Problem, simulations: int, seed: int) -> TableProblem:
    """Return a table of fresh pairs of ``problem``, of whose columns nothing but the names is known."""
    import pandas as pd

    from workbench.problems import TableProblem

    pairs = problem.draw(simulations, torch.Generator().manual_seed(_SEED + seed))
    x, y = [v.name for v in problem.x], [v.name for v in problem.y]
    return TableProblem(pd.DataFrame(torch.cat([pairs.x, pairs.y], 1).numpy(), columns=x + y), x=x, y=y)


def as_simulator(problem: Problem) -> SimulatorProblem:
    """Return prior and simulator of ``problem`` as a user's functions, with the bounds of x and no more."""
    from workbench.problems import SimulatorProblem

    def simulate(x: Tensor) -> Tensor:
        seed = int(torch.randint(2**62, (1,)))  # a user's simulator draws from torch's global generator
        return problem.simulate(x, torch.Generator().manual_seed(seed))

    variables = [Variable(v.name, low=v.low, high=v.high) for v in problem.x]
    return SimulatorProblem(problem.prior, simulate, variables, [v.name for v in problem.y])
