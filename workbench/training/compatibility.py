"""What fits together: the one place where needs meet capabilities. The form greys out with the same
sentence."""

from __future__ import annotations

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.core.spec import Spec
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS


def refusals(problem: Spec, architecture: Spec, objective: Spec) -> list[str]:
    """Why the three cannot run together, as sentences; empty when they can."""
    own = [_clause(r) for r in problem.refusals()]
    if own:
        return own
    reasons = [_clause(r) for r in architecture.refusals(problem.shapes)]
    reasons += [_clause(r) for r in architecture.misfits(problem.x)]
    given = architecture.capabilities
    for need in sorted(objective.needs_model - given):
        reasons.append(
            f"{objective.title} needs a model that {Capability(need).sentence}; {architecture.title} does not"
        )
    for need in sorted(objective.needs_problem - problem.capabilities):
        reasons.append(
            f"{objective.title} needs a problem that {Capability(need).sentence}; {problem.title} does not"
        )
    if not reasons:
        reasons += objective.conflicts(problem, architecture)
    return reasons


def fits(part: str, key: str, experiment) -> str:
    """Why member ``key`` cannot take the place of ``part`` in this experiment, with its default settings;
    else "".

    A problem is judged by whether any architecture and objective can run it, since choosing it may change
    those too.
    """
    catalogue = {"problem": PROBLEMS, "architecture": ARCHITECTURES, "objective": OBJECTIVES}[part]
    current = getattr(experiment, part)
    member = current if current.key == key else None
    if member is None:
        unavailable = getattr(catalogue[key], "unavailable", lambda: "")()
        if unavailable:
            return unavailable
        try:
            member = catalogue.make(key)
        except WorkbenchError as error:
            return str(error)
    if part == "problem":
        return "; ".join(_clause(r) for r in member.refusals())
    parts = {p: getattr(experiment, p) for p in ("problem", "architecture", "objective")} | {part: member}
    if part == "architecture":
        # an architecture is in reach when some objective runs it on this problem
        reasons = [refusals(parts["problem"], member, o()) for o in OBJECTIVES]
        return "" if any(not r for r in reasons) else "; ".join(min(reasons, key=len))
    return "; ".join(refusals(**parts))


def _clause(sentence: str) -> str:
    return sentence.rstrip(".")
