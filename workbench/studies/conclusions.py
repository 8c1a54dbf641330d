"""Conclusions of a `PosteriorComparison`, as sentences computed from its table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.studies import catalogues
from workbench.studies.methods import METHODS
from workbench.studies.table import number, rows

if TYPE_CHECKING:
    import xarray as xr

#: Speed-up over flow matching from which a method counts as fast.
TIMES = 50
_EXACT_LIKELIHOOD = {Capability.DENSITY, Capability.EXACT_INVERSE}


def with_exact_likelihood() -> set[str]:
    """Return the keys of the methods whose network has a tractable density and an exact inverse."""
    members = catalogues.ARCHITECTURES
    return {
        m.key
        for m in METHODS
        if m.architecture in members and _EXACT_LIKELIHOOD <= members[m.architecture].capabilities
    }


def sentences(data: xr.Dataset, published: list[dict[str, Any]] | None = None) -> list[str]:
    """Return sentences that compare the best method with an exact likelihood to the best published number
    tagged "replicated" and to flow matching, and count the methods that beat ABC rejection and the prior.

    ``published`` are all published numbers of the study; by default those in the Dataset, which leaves out
    the numbers of methods that were not run.
    """
    by_method = {row["method"]: row for row in rows(data) if row["status"] == "done"}
    replications = [f for f in published or json.loads(data.attrs["published"]) if f["tag"] == "replicated"]
    column = next((f["column"] for f in replications if f["column"].startswith("err_post")), "err_post")
    goals = [f["value"] for f in replications if f["column"] == column]
    results = {key: row for key, row in by_method.items() if column in row}
    able = [results[key] for key in with_exact_likelihood() if key in results]
    statements = []
    if able:
        best = min(able, key=lambda row: row[column])
        statements += [*_against_others(best, column, goals), *_speed(best, results)]
        statements += _best_of_the_fast(able, best, column, goals, results)
    for key, verb in (("abc", "come nearer than rejection on the same pairs"), ("prior", "beat the prior")):
        if key in results:
            statements.append(_beaten(results, key, column, verb))
    return statements


def _against_others(best: dict[str, Any], column: str, goals: list[float]) -> list[str]:
    if not goals:
        return []
    goal, mine = min(goals), best[column]
    name = "Err_post" if column == "err_post" else "Err_post without rounding"
    ratio = mine / goal
    outcome = "reached" if ratio <= 1 else f"missed by a factor of {ratio:.{1 if ratio >= 1.1 else 2}f}"
    return [
        f"Of the methods with an exact likelihood, {best['title']} comes nearest to the exact posterior: "
        f"{name} {number(mine)}; the best replicated figure, {number(goal)}, is {outcome}."
    ]


def _speed(best: dict[str, Any], results: dict[str, dict]) -> list[str]:
    reference = results.get("flow_matching")
    if reference is None:
        return []
    times = reference["sampling_microseconds"] / best["sampling_microseconds"]
    return [f"{best['title']} draws {times:.0f} times as fast as flow matching with 32 evaluations."]


def _best_of_the_fast(
    able: list[dict], best: dict[str, Any], column: str, goals: list[float], results: dict[str, dict]
) -> list[str]:
    """Return a list with a sentence on the most accurate of the rows ``able`` that draw at least `TIMES`
    times as fast as flow matching, or on the fastest row where none does.

    The list is empty where the most accurate such row is ``best``, or where flow matching was not run.
    """
    reference = results.get("flow_matching")
    if reference is None:
        return []
    fast = [r for r in able if reference["sampling_microseconds"] >= TIMES * r["sampling_microseconds"]]
    if not fast:
        quickest = min(able, key=lambda row: row["sampling_microseconds"])
        times = reference["sampling_microseconds"] / quickest["sampling_microseconds"]
        return [
            f"None of them draws {TIMES} times as fast as flow matching; {quickest['title']} comes nearest, "
            f"with {times:.0f} times. As many weights cost a coupling one pass and flow matching 32."
        ]
    first = min(fast, key=lambda row: row[column])
    if first is best:
        return []
    times = reference["sampling_microseconds"] / first["sampling_microseconds"]
    title = f"{first['title']} ({times:.0f} times)"
    sentence = f"Of those that draw at least {TIMES} times as fast, {title} comes nearest"
    if not goals:
        return [f"{sentence}: {number(first[column])}."]
    ratio = first[column] / min(goals)
    outcome = "which reaches that figure" if ratio <= 1 else f"{ratio:.1f} times that figure"
    return [f"{sentence}: {number(first[column])}, {outcome}."]


def _beaten(results: dict[str, dict], key: str, column: str, verb: str) -> str:
    networks = [row for row in results.values() if row["training_seconds"] > 0]
    better = [row["title"] for row in networks if row[column] < results[key][column]]
    return (
        f"{len(better)} of {len(networks)} trained methods {verb}{': ' if better else ''}{', '.join(better)}."
    )
