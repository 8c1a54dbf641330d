"""Questions to a `PosteriorExplorer` and its answers: plain numbers with labels that cross processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from workbench.core.variable import Variable
    from workbench.diagnostics.posterior_explorer.refinement_summary import RefinementOption

#: Draws of a first answer, and of each further part of a longer one.
QUICK, PART = 2000, 20_000


@dataclass(frozen=True)
class Query:
    """A request for the posterior at one observation.

    Parameters
    ----------
    observation : (M,) in the units of y.
    truth : (D,) parameters; where given, the observation is simulated from them.
    draws : number of posterior draws in total.
    axes : indices of the variables that are plotted against each other; empty: the first four.
    windows : (low, high) of every variable; empty: the problem's.
    picture : key of a physical view; empty: none.
    at_rest : also evaluate expensive views, which are skipped while the observation moves.
    more : add draws to those of the last answer, up to ``draws``.
    within : (variable, low, high) of a brush; physical view and resimulation use the draws inside only.
    """

    observation: tuple[float, ...] = ()
    truth: tuple[float, ...] = ()
    draws: int = QUICK
    axes: tuple[int, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    picture: str = ""
    at_rest: bool = False
    more: bool = False
    within: tuple[tuple[int, float, float], ...] = ()

    def sampling_key(self) -> tuple:
        """Part of the query that must stay the same for draws to be added to earlier ones."""
        return self.observation, self.truth, self.axes, self.windows


@dataclass(frozen=True)
class ModelInfo:
    """Static description of a model: variables, windows, and example rows to choose observations from."""

    title: str
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    window: tuple[tuple[float, float], ...]
    observation_window: tuple[tuple[float, float], ...]
    default_observation: tuple[float, ...]
    capabilities: frozenset[str]
    problem_capabilities: frozenset[str]
    pictures: tuple[str, ...]
    rows: np.ndarray
    truths: np.ndarray
    note: str = ""
    refinements: tuple[RefinementOption, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The posterior at one observation: histogram, physical view and resimulation.

    The latter two are None where they were not requested or are not available. ``warnings`` are sentences,
    ``seconds`` is the time that the answer took.
    """

    query: Query
    observation: tuple[float, ...]
    histogram: xr.Dataset
    picture: xr.Dataset | None
    resimulation: xr.Dataset | None
    warnings: tuple[str, ...]
    seconds: float


def brush(draws: np.ndarray, within: tuple[tuple[int, float, float], ...]) -> np.ndarray:
    """Draws (n, D) whose variables lie inside every (variable, low, high)."""
    return draws[inside(draws, within)]


def inside(draws: np.ndarray, within: tuple[tuple[int, float, float], ...]) -> np.ndarray:
    """Boolean mask (n,) of the draws (n, D) inside every (variable, low, high)."""
    mask = np.ones(len(draws), dtype=bool)
    for variable, low, high in within:
        mask &= (draws[:, variable] >= low) & (draws[:, variable] <= high)
    return mask
