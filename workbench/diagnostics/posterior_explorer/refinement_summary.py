"""Refinement methods that the explorer offers for a model, and their results as plain numbers.

Methods that train a network are listed but not run here: they take too long for an interactive page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.refinement import Gain

#: Methods that run interactively: exact ones that call the simulator least come first.
ORDER = ("signal_model", "markov_chain", "importance")
#: Number of draws of the refined posterior in a summary.
DRAWS = 4000
#: Effective number of draws of a Markov chain, which are not independent.
_CHAIN_EFFECTIVE = 1000
#: A difference of means below this many of its standard errors is attributed to chance.
_STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class RefinementOption:
    """A refinement method for one model.

    ``reason`` says why it cannot be used (empty: it can). ``trains`` is True for a method that trains a
    network, which the explorer leaves to the command line.
    """

    key: str
    title: str
    summary: str
    reason: str
    trains: bool


@dataclass(frozen=True)
class RefinementSummary:
    """The refined posterior of one observation, compared with the network's.

    draws : (n, D) of equal weight, float64.
    mean_shift : (D,) shift of the means, in standard deviations of the network's posterior.
    sd_ratio : (D,) standard deviations as multiples of the network's.
    chance : difference of two means that this many draws leave to chance, in the same unit.
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
    """Every method of the catalogue, the preferred ones first."""
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
    """Refine with the method's default settings, and compare with ``draws`` (n, D) of the network.

    Raises as `workbench.refine` does, and whatever ``callback`` raises.
    """
    from workbench.refinement import REFINEMENT, refine

    posterior = refine(fitted, observation, method=method, problem=problem, alive=callback)
    data = posterior.sample(DRAWS)
    x = np.stack([data[v.name].values for v in posterior.x], 1)
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
