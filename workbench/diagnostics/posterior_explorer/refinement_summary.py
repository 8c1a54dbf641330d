"""What the explorer offers to refine a posterior with, and what came of it, in numbers that cross processes.

A method that trains is named, but not done here: a page that somebody waits at is not the place for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.refinement import REFINEMENT, Gain, refine

#: What is exact and asks the simulator least comes first.
ORDER = ("signal_model", "markov_chain", "importance")
#: Draws of the refined posterior that are handed over.
SHOWN = 4000
#: Draws that come out of moves are not independent; they are counted as no more than so many.
_MOVED = 1000
#: A difference of means below so many of its standard errors is put down to chance.
_ERRORS = 3.0


@dataclass(frozen=True)
class Offer:
    """A method of the catalogue for one model: ``reason`` says why it cannot be used (empty: it can), and
    ``trains`` that it trains a network, which the explorer leaves to the command line."""

    key: str
    title: str
    summary: str
    reason: str
    trains: bool


@dataclass(frozen=True)
class Refined:
    """The refined posterior of one observation.

    draws : (n, D) of equal weight, float64.
    moved : (D,) by how much the means moved, in standard deviations of the network's posterior.
    widened : (D,) standard deviations as multiples of the network's.
    chance : the difference of two means, in the same unit, that chance makes of so many draws.
    """

    observation: tuple[float, ...]
    method: str
    title: str
    draws: np.ndarray
    gain: Gain
    moved: np.ndarray
    widened: np.ndarray
    chance: float


def offers(fitted: Any, problem: Any) -> tuple[Offer, ...]:
    """Every method of the catalogue, those first that the explorer would choose first."""
    ordered = [*ORDER, *(key for key in REFINEMENT.keys() if key not in ORDER)]
    found = []
    for key in ordered:
        member = REFINEMENT[key]()
        if problem is None:
            reasons = ["The problem that the model was trained on is not here."]
        else:
            reasons = member.refusals(fitted, problem)
        found.append(Offer(key, member.title, member.summary, (reasons or [""])[0], key not in ORDER))
    return tuple(found)


def refined(
    fitted: Any,
    problem: Any,
    observation: tuple[float, ...],
    method: str,
    before: np.ndarray,
    alive: Callable[[], None],
) -> Refined:
    """Refine with the method's own settings, and compare with draws ``before`` (n, D) of the network.

    Raises as `workbench.refine` does, and what ``alive`` raises.
    """
    made = refine(fitted, observation, method=method, problem=problem, alive=alive)
    data = made.sample(SHOWN)
    draws = np.stack([data[v.name].values for v in made.x], 1)
    effective = _MOVED if method == "markov_chain" else made.gain.effective_sample_size
    before = before[np.isfinite(before).all(1)]
    spread = before.std(0)
    spread = np.where(spread > 0, spread, np.nan)
    return Refined(
        tuple(observation),
        method,
        REFINEMENT[method].title,
        draws,
        made.gain,
        (draws.mean(0) - before.mean(0)) / spread,
        draws.std(0) / spread,
        _ERRORS * float(np.sqrt(1 / max(len(before), 1) + 1 / max(effective, 1.0))),
    )
