"""Compatibility of problem, architecture and objective.

Required and available capabilities are compared only here, so that a form greys out a choice for the same
reason that `Experiment.check` raises with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.architectures import ARCHITECTURES
from workbench.core.entries import public
from workbench.core.errors import WorkbenchError, unknown
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS

if TYPE_CHECKING:
    from workbench.architectures.base import Architecture
    from workbench.core.catalogue import Catalogue
    from workbench.objectives.base import Objective
    from workbench.problems.base import Problem
    from workbench.training.experiment import Experiment


@public
def refusals(problem: Problem, architecture: Architecture, objective: Objective) -> list[str]:
    """List the reasons why problem, architecture and objective do not fit together; empty when they do."""
    reasons = [_clause(r) for r in problem.refusals()]
    if reasons:
        return reasons
    reasons = [_clause(r) for r in architecture.refusals(problem.shapes)]
    reasons += [_clause(r) for r in architecture.misfits(problem.x)]
    reasons += objective.unmet_by_model(architecture.capabilities, architecture.title)
    reasons += objective.unmet_by_problem(problem.capabilities, problem.title)
    return reasons or objective.conflicts(problem, architecture)


@public
def fits(part: str, key: str, experiment: Experiment) -> str:
    """Return the reason why the entry ``key`` cannot replace ``part`` of this experiment; "" when it can.

    ``part`` is "problem", "architecture" or "objective". An entry other than the present one is tried with
    its default settings. A problem is only checked on its own, since architecture and objective may be chosen
    anew after it; an architecture is refused only if no objective can train it on the problem.
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
    """Return the Spec to try as ``part``: the experiment's own, if it has this key, or one with defaults.

    A string with the reason where it cannot be built.
    """
    catalogues: dict[str, Catalogue[Any]] = {
        "problem": PROBLEMS,
        "architecture": ARCHITECTURES,
        "objective": OBJECTIVES,
    }
    if part not in catalogues:
        raise unknown("part", part, catalogues, owner="An experiment")
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
