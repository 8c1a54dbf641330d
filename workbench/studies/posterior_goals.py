"""Tasks and methods of the study `posteriors`, its goals, and the sentences that compare a result with them.

Goals of refined posteriors are what the benchmark's sequential NPE reaches, which has simulations for each
observation and no exact density: not the same rules.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

TASKS = {
    "two_moons_posterior": "Two moons",
    "gaussian_mixture": "Gaussian mixture",
    "gaussian_linear": "Gaussian, linear",
    "gaussian_linear_uniform": "Gaussian, linear, uniform prior",
    "slcp": "SLCP",
    "bernoulli_glm": "Bernoulli GLM",
    "sir": "SIR",
    "lotka_volterra": "Lotka-Volterra",
}
METHODS = {
    "recipe": "recommended",
    "table": "recommended, as a table without bounds",
    "simulator": "recommended, as a simulator with bounds",
    "sbi_nsf": "sbi, neural spline flow",
}
_GOALS = {
    "two_moons_posterior": 0.52,
    "gaussian_mixture": 0.51,
    "gaussian_linear": 0.51,
    "gaussian_linear_uniform": 0.52,
    "slcp": 0.65,
    "bernoulli_glm": 0.56,
    "sir": 0.55,
    "lotka_volterra": 0.85,
}
#: Goals of results with fewer draws: a C2ST grows with their number.
_FEW_DRAWS, _GOALS_FEW_DRAWS = (
    5000,
    {"gaussian_linear": 0.51, "gaussian_mixture": 0.515, "two_moons_posterior": 0.52, "slcp": 0.78},
)
#: A table without bounds may miss the goal of its task by this.
_ALLOWANCE = 0.05
_GOALS_REFINED = {"slcp": 0.60, "sir": 0.561, "bernoulli_glm": 0.614, "lotka_volterra": 0.953}
_GOAL_GAP, _GOAL_SHARE = 0.05, 0.1  # nats above the optimum; share of the baseline's processor seconds


def sentences(data: xr.Dataset) -> list[str]:
    """Return the conclusions of a result of the study `posteriors`."""
    from workbench.studies.table import number, rows

    texts = _compare_chains(data)
    few = json.loads(data.attrs.get("settings", "{}")).get("draws", _FEW_DRAWS) < _FEW_DRAWS
    amortised_goals = _GOALS_FEW_DRAWS if few else _GOALS
    for row in rows(data):
        if row["status"] != "done" or row["method"] == "sbi_nsf":
            continue
        label = "amortised" if row["method"] == "recipe" else f"as a {row['method']}"
        allowance = _ALLOWANCE if row["method"] == "table" else 0.0
        goals = (
            ("c2st", label, amortised_goals, allowance),
            ("c2st_refined", "refined", _GOALS_REFINED, 0.0),
        )
        for column, word, table, more in goals:
            goal, value = table.get(row["task"]), row.get(column)
            if goal is not None and value is not None:
                outcome = "is met" if value <= goal + more else "is missed"
                title = f"{TASKS[row['task']]}, {word}"
                texts.append(f"{title}: C2ST {number(value)}; the goal of {goal + more:g} {outcome}.")
        if row["method"] == "recipe" and (gap := row.get("gap")) is not None:
            outcome = "is met" if gap <= _GOAL_GAP else "is missed"
            texts.append(
                f"{TASKS[row['task']]}: {number(gap)} nats above the optimum; "
                f"the goal of {_GOAL_GAP:g} {outcome}."
            )
    return texts + _compare_seconds(data)


def _compare_chains(data: xr.Dataset) -> list[str]:
    """Return sentences on what the columns of refined posteriors and of chains may use, and on which of
    the two is nearer to the exact posterior in each task."""
    from workbench.studies.table import number, rows

    results = [row for row in rows(data) if row.get("c2st_chain") is not None]
    refusals = data["refusals"].values.tolist() if "refusals" in data else []
    texts = [
        f"{title}: the refinement was refused at {number(count)} of the observations, so that its columns "
        "are empty."
        for title, count in zip(data["title"].values.tolist(), refusals, strict=False)
        if count > 0
    ]
    if not results:
        return texts
    texts += [
        "C2ST: the simulations alone, any observation. C2ST refined: the same network, and evaluations "
        "of the exact density at one observation. C2ST chains: as many evaluations from the prior, "
        "without network or simulations. Sequential NPE: simulations for one observation, no density."
    ]
    for row in results:
        pair = f"{number(row['c2st_refined'])} refined and {number(row['c2st_chain'])} by chains"
        texts.append(
            f"{TASKS.get(row['task'], row['task'])}: C2ST {pair} with {number(row['evaluations'])} "
            "evaluations each."
        )
    return texts


def _compare_seconds(data: xr.Dataset) -> list[str]:
    """Return sentences that compare the processor seconds of training with those of sbi's NPE, where
    both were measured."""
    from workbench.studies.table import number, rows

    results = [row for row in rows(data) if row["status"] == "done"]
    times = {(row["task"], row["method"]): row.get("training_seconds") for row in results}
    texts = []
    for (task, method), seconds in times.items():
        baseline = times.get((task, "sbi_nsf"))
        if method == "recipe" and seconds and baseline:
            outcome = "is met" if seconds <= _GOAL_SHARE * baseline else "is missed"
            texts.append(
                f"{TASKS[task]}: training takes {number(seconds / baseline)} of the seconds of "
                f"{METHODS['sbi_nsf']}; the goal of {_GOAL_SHARE:g} {outcome}."
            )
    return texts
