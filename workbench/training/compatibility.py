"""Compatibility of problem, architecture and objective: the only place where needs meet capabilities.

A form greys out a choice with the sentence that an experiment is refused with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.architectures import ARCHITECTURES
from workbench.core.errors import WorkbenchError
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS

if TYPE_CHECKING:
    from workbench.architectures.base import Architecture
    from workbench.core.catalogue import Catalogue
    from workbench.objectives.base import Objective
    from workbench.problems.base import Problem
    from workbench.training.experiment import Experiment


def refusals(problem: Problem, architecture: Architecture, objective: Objective) -> list[str]:
    """List the reasons why the three cannot run together, as sentences; empty when they can."""
    reasons = [_clause(r) for r in problem.refusals()]
    if reasons:
        return reasons
    reasons = [_clause(r) for r in architecture.refusals(problem.shapes)]
    reasons += [_clause(r) for r in architecture.misfits(problem.x)]
    reasons += objective.unmet_by_model(architecture.capabilities, architecture.title)
    reasons += objective.unmet_by_problem(problem.capabilities, problem.title)
    return reasons or objective.conflicts(problem, architecture)


def fits(part: str, key: str, experiment: Experiment) -> str:
    """Give the reason why member ``key`` cannot replace ``part`` of this experiment; empty when it can.

    Another member than the present one is tried with its default settings. A problem is refused only for
    reasons of its own, and an architecture only if no objective trains it on the problem, since choosing them
    may change the parts that follow.
    """
    member = _candidate(part, key, experiment)
    if isinstance(member, str):
        return member
    if part == "problem":
        return "; ".join(_clause(reason) for reason in member.refusals())
    if part == "architecture":
        reasons: list[list[str]] = [
            refusals(experiment.problem, member, objective()) for objective in OBJECTIVES
        ]
        fewest = min(reasons, key=len)
        return "; ".join(fewest)
    return "; ".join(refusals(experiment.problem, experiment.architecture, member))


def _candidate(part: str, key: str, experiment: Experiment) -> Any:
    """Return the experiment's own member or one with default settings, or say why there is none."""
    catalogues: dict[str, Catalogue[Any]] = {
        "problem": PROBLEMS,
        "architecture": ARCHITECTURES,
        "objective": OBJECTIVES,
    }
    catalogue = catalogues[part]
    current = getattr(experiment, part)
    if current.key == key:
        return current
    reason = getattr(catalogue[key], "unavailable", str)()
    if reason:
        return reason
    try:
        return catalogue.make(key)
    except WorkbenchError as error:
        return str(error)


def _clause(sentence: str) -> str:
    return sentence.rstrip(".")
