"""What a table of the comparison says, as sentences that are computed from it."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.studies.methods import METHODS
from workbench.studies.table import number, rows

#: How many times faster than flow matching a method is to draw.
TIMES = 50
_EXACT_LIKELIHOOD = {Capability.DENSITY, Capability.EXACT_INVERSE}


def with_exact_likelihood() -> set[str]:
    """Keys of the methods whose network has a density and an inverse in closed form."""
    return {
        m.key
        for m in METHODS
        if m.architecture in ARCHITECTURES and _EXACT_LIKELIHOOD <= ARCHITECTURES[m.architecture].capabilities
    }


def sentences(data: xr.Dataset, published: list[dict[str, Any]] | None = None) -> list[str]:
    """The best with an exact likelihood against the best replicated figure and against flow matching; which
    methods beat rejection, and which do no better than the prior.

    ``published`` are all figures of the study; without them those that the Dataset carries, which leaves
    out the figures of methods that were not run.
    """
    found = {row["method"]: row for row in rows(data) if row["status"] == "done"}
    replicated = [f for f in published or json.loads(data.attrs["published"]) if f["tag"] == "replicated"]
    column = next((f["column"] for f in replicated if f["column"].startswith("err_post")), "err_post")
    goals = [f["value"] for f in replicated if f["column"] == column]
    measured = {key: row for key, row in found.items() if column in row}
    able = [measured[key] for key in with_exact_likelihood() if key in measured]
    said = []
    if able:
        best = min(able, key=lambda row: row[column])
        said += [*_against_others(best, column, goals), *_speed(best, measured)]
        said += _best_of_the_fast(able, best, column, goals, measured)
    for key, verb in (("abc", "come nearer than rejection on the same pairs"), ("prior", "beat the prior")):
        if key in measured:
            said.append(_beaten(measured, key, column, verb))
    return said


def _against_others(best: dict[str, Any], column: str, goals: list[float]) -> list[str]:
    if not goals:
        return []
    goal, mine = min(goals), best[column]
    name = "Err_post" if column == "err_post" else "Err_post without rounding"
    ratio = mine / goal
    reached = "reached" if ratio <= 1 else f"missed by a factor of {ratio:.{1 if ratio >= 1.1 else 2}f}"
    return [
        f"Of the methods with an exact likelihood, {best['title']} comes nearest to the exact posterior: "
        f"{name} {number(mine)}; the best replicated figure, {number(goal)}, is {reached}."
    ]


def _speed(best: dict[str, Any], measured: dict[str, dict]) -> list[str]:
    rival = measured.get("flow_matching")
    if rival is None:
        return []
    times = rival["sampling_microseconds"] / best["sampling_microseconds"]
    return [f"{best['title']} draws {times:.0f} times as fast as flow matching with 32 evaluations."]


def _best_of_the_fast(
    able: list[dict], best: dict[str, Any], column: str, goals: list[float], measured: dict[str, dict]
) -> list[str]:
    """The best of those that draw `TIMES` times as fast as flow matching, where that is another one."""
    rival = measured.get("flow_matching")
    if rival is None:
        return []
    fast = [r for r in able if rival["sampling_microseconds"] >= TIMES * r["sampling_microseconds"]]
    if not fast:
        quickest = min(able, key=lambda row: row["sampling_microseconds"])
        times = rival["sampling_microseconds"] / quickest["sampling_microseconds"]
        return [
            f"None of them draws {TIMES} times as fast as flow matching; {quickest['title']} comes nearest, "
            f"with {times:.0f} times. As many weights cost a coupling one pass and flow matching 32."
        ]
    first = min(fast, key=lambda row: row[column])
    if first is best:
        return []
    times = rival["sampling_microseconds"] / first["sampling_microseconds"]
    said = f"Of those that draw at least {TIMES} times as fast, {first['title']} ({times:.0f} times) comes "
    said += "nearest"
    if not goals:
        return [f"{said}: {number(first[column])}."]
    ratio = first[column] / min(goals)
    reached = "which reaches that figure" if ratio <= 1 else f"{ratio:.1f} times that figure"
    return [f"{said}: {number(first[column])}, {reached}."]


def _beaten(measured: dict[str, dict], key: str, column: str, verb: str) -> str:
    trained = [row for row in measured.values() if row["training_seconds"] > 0]
    better = [row["title"] for row in trained if row[column] < measured[key][column]]
    return (
        f"{len(better)} of {len(trained)} trained methods {verb}{': ' if better else ''}{', '.join(better)}."
    )
