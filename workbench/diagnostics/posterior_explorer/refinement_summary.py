"""Refinement methods that the `PosteriorExplorer` offers for a model, and their results as arrays.

Methods that train a network are listed but not run here: they take too long for an interactive page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.names import array_names

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.refinement import Gain

#: Keys of the methods that run interactively, in order of preference: exact ones with few simulations first.
ORDER = ("signal_model", "markov_chain", "importance")
#: Number of draws of the refined posterior in a summary.
DRAWS = 4000
#: Assumed effective sample size of draws from a Markov chain, which are not independent.
_CHAIN_EFFECTIVE = 1000
#: A difference of means below this many of its standard errors is attributed to chance.
_STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class RefinementOption:
    """A refinement method and its availability for one model.

    ``reason`` says why it cannot be used (empty: it can). ``trains`` is True for a method that trains a
    network, which is not run interactively.
    """

    key: str
    title: str
    summary: str
    reason: str
    trains: bool


@dataclass(frozen=True)
class RefinementSummary:
    """The refined posterior at one observation, compared with the network's posterior.

    draws : (n, D) draws from the refined posterior, of equal weight, float64.
    mean_shift : (D,) shift of the means, in standard deviations of the network's posterior.
    sd_ratio : (D,) standard deviations as multiples of those of the network's posterior.
    chance : shift of a mean that may be due to the finite number of draws alone, in the unit of
        ``mean_shift``.
    """

    observation: tuple[float, ...]
    method: str
    title: str
    draws: np.ndarray
    gain: Gain
    mean_shift: np.ndarray
    sd_ratio: np.ndarray
    chance: float


def options(fitted: FittedModel, problem: Problem | None) -> tuple[RefinementOption, ...]:
    """List all refinement methods with their availability for a model, the interactive ones first."""
    from workbench.refinement import REFINEMENT

    result = []
    for key in [*ORDER, *(key for key in REFINEMENT.keys() if key not in ORDER)]:
        member = REFINEMENT[key]()
        if problem is None:
            reasons = ["The problem that the model was trained on is not here."]
        else:
            reasons = member.refusals(fitted, problem)
        reason = (reasons or [""])[0]
        result.append(RefinementOption(key, member.title, member.summary, reason, key not in ORDER))
    return tuple(result)


def refine_and_compare(
    fitted: FittedModel,
    problem: Problem,
    observation: tuple[float, ...],
    method: str,
    draws: np.ndarray,
    callback: Callable[[], None],
) -> RefinementSummary:
    """Refine with the method's default settings, and compare with posterior draws (n, D) of the network.

    ``callback`` is called repeatedly; an error that it raises ends the refinement. Raises the errors of
    `workbench.refine`.
    """
    from workbench.refinement import REFINEMENT, refine

    posterior = refine(fitted, observation, method=method, problem=problem, alive=callback)
    data = posterior.sample(DRAWS)
    names = array_names(v.name for v in posterior.x)
    x = np.stack([data[names[v.name]].values for v in posterior.x], 1)
    effective = _CHAIN_EFFECTIVE if method == "markov_chain" else posterior.gain.effective_sample_size
    draws = draws[np.isfinite(draws).all(1)]
    spread = draws.std(0)
    spread = np.where(spread > 0, spread, np.nan)
    return RefinementSummary(
        tuple(observation),
        method,
        REFINEMENT[method].title,
        x,
        posterior.gain,
        (x.mean(0) - draws.mean(0)) / spread,
        x.std(0) / spread,
        _STANDARD_ERRORS * float(np.sqrt(1 / max(len(draws), 1) + 1 / max(effective, 1.0))),
    )
