"""Queries to a `PosteriorExplorer` and its answers, in types that can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from workbench.core.variable import Variable
    from workbench.diagnostics.posterior_explorer.refinement_summary import RefinementOption

#: Number of draws in a first answer, and number that each further query with ``more`` adds.
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
    windows : plotted range (low, high) of every variable; empty: the problem's.
    picture : key of a physical view; empty: none.
    at_rest : the observation has stopped moving: also evaluate expensive views, which are skipped before.
    more : add draws to those of the previous answer, up to ``draws``.
    within : brushed intervals (index of the variable, low, high); physical view and resimulation use only the
        draws inside.
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
        """Return the fields that must be the same as before if draws are to be added to earlier ones."""
        return self.observation, self.truth, self.axes, self.windows


@dataclass(frozen=True)
class ModelInfo:
    """Static description of a model for a page.

    ``x`` and ``y`` are its variables, ``window`` and ``observation_window`` their plotted ranges,
    ``pictures`` the keys of its physical views; ``rows`` (n, M) are example observations and ``truths``
    (n, D) their true parameters; ``note`` says why some of this is missing.
    """

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
    """The posterior at one observation: histogram, physical view (``picture``) and resimulation.

    The latter two are None where they were not requested or are not available. ``warnings`` are sentences,
    ``seconds`` is the time of the evaluation.
    """

    query: Query
    observation: tuple[float, ...]
    histogram: xr.Dataset
    picture: xr.Dataset | None
    resimulation: xr.Dataset | None
    warnings: tuple[str, ...]
    seconds: float


def brush(draws: np.ndarray, within: tuple[tuple[int, float, float], ...]) -> np.ndarray:
    """Return the rows of draws (n, D) that lie inside every interval (index of the variable, low, high)."""
    return draws[inside(draws, within)]


def inside(draws: np.ndarray, within: tuple[tuple[int, float, float], ...]) -> np.ndarray:
    """Return a mask (n,) of the draws (n, D) inside every interval (index of the variable, low, high)."""
    mask = np.ones(len(draws), dtype=bool)
    for variable, low, high in within:
        mask &= (draws[:, variable] >= low) & (draws[:, variable] <= high)
    return mask
