"""Size and power of the diagnostics, on posteriors in closed form that are exact or wrong in a known way.

Every cell makes the same report many times, with other data and draws: how often is each check not green on
its own, and how often is the whole report amber or red, corrected for the number of its checks? The exact
posterior gives the sizes, every fault a power. No network is trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.diagnostics.checks import BUDGETS, DIAGNOSTICS
from workbench.studies.base import STUDIES, Cell, Column, Study

if TYPE_CHECKING:
    import xarray as xr

    from workbench.studies.known_posteriors import KnownPosterior
    from workbench.studies.study_context import StudyContext

#: Problems of the study, with title and settings.
PROBLEMS = {
    "normal_3": ("3 dimensions", {"features": 3, "observed": 2}),
    "normal_10": ("10 dimensions", {"features": 10, "observed": 3}),
    "two_modes": ("two modes, 3 dimensions", {"features": 3, "observed": 2, "modes": 2}),
}
#: Checks of the posterior, in the order of the columns.
CHECKS = tuple(member.key for member in DIAGNOSTICS if member.notices)


@STUDIES.register
class DiagnosticsStudy(Study):
    """One cell for each problem, fault, budget and block of reports."""

    key = "diagnostics"
    title = "Size and power of the diagnostics"
    summary = (
        "How often each check notices a known fault, and how often it and a report accuse an exact posterior."
    )
    reference = "the level of each check; Holm 1979 for a report"
    columns = (
        Column("red", "report red", "%"),
        Column("not_green", "report not green", "%"),
        *(Column(key, DIAGNOSTICS[key].title, "%") for key in CHECKS),
    )
    quick = {"seeds": 1, "exact_seeds": 1, "replicates": 5}
    remark = (
        "Percentages of reports. Columns of checks: the check alone, at the level 0.01, not green. A dash: "
        "the check does not apply, or is left out of the study by its settings."
    )

    seeds = param.Integer(1, bounds=(1, 1000), doc="Blocks of reports for each fault.")
    exact_seeds = param.Integer(
        5, bounds=(1, 1000), doc="Blocks of reports for exact posteriors, whose rates are small."
    )
    replicates = param.Integer(20, bounds=(1, 10_000), doc="Reports in a block.")
    budgets = param.List(list(BUDGETS), item_type=str, doc="Budgets of the checks.")
    problems = param.List(
        list(PROBLEMS), item_type=str, doc="Keys of problems: normal_3, normal_10, two_modes."
    )
    faults = param.List([], item_type=str, doc="Keys of faults; empty: all.")
    leave_out = param.List([], item_type=str, doc="Keys of checks that are not made, since they take long.")

    def cells(self) -> list[Cell]:
        from workbench.studies.known_posteriors import FAULTS

        return [
            Cell(
                {"problem": problem, "fault": fault, "budget": budget, "seed": seed},
                f"{PROBLEMS[problem][0]} · {FAULTS[fault]} · {budget}",
            )
            for budget in self.budgets
            for problem in self.problems
            for fault in (self.faults or FAULTS)
            if fault != "mode" or self.problem(problem).modes > 1
            for seed in range(self.exact_seeds if fault == "exact" else self.seeds)
        ]

    def problem(self, key: str) -> KnownPosterior:
        """Return a problem of the study by its key."""
        from workbench.studies.known_posteriors import KnownPosterior

        return KnownPosterior(**PROBLEMS[key][1])

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import xarray as xr

        from workbench.diagnostics import diagnose
        from workbench.studies.known_posteriors import KnownModel

        place = cell.coordinates
        problem = self.problem(str(place["problem"]))
        model = KnownModel(problem, str(place["fault"]))
        only = [key for key in DIAGNOSTICS.keys() if key not in self.leave_out]
        verdicts, alone = [], []
        for replicate in range(self.replicates):
            seed = int(place["seed"]) * self.replicates + replicate
            report = diagnose(model, problem, seed=seed, budget=str(place["budget"]), only=only)
            verdicts.append(report.verdict)
            alone.append([_not_green(report, key) for key in CHECKS])
        shares = np.asarray(alone).mean(0)
        return xr.Dataset(
            {
                "red": ((), 100 * np.mean([verdict == "red" for verdict in verdicts])),
                "not_green": ((), 100 * np.mean([verdict != "green" for verdict in verdicts])),
                **{key: ((), 100 * share) for key, share in zip(CHECKS, shares, strict=True)},
                "reports": ((), float(len(verdicts))),
            }
        )


def _not_green(report: dict, key: str) -> float:
    """Return 1 for a check that alone is not green, 0 for a green one, NaN for one that was not made."""
    verdict = report[key].attrs.get("verdict_alone", "") if key in report else ""
    return float(verdict != "green") if verdict else float("nan")
