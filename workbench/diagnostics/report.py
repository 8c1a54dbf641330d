"""Function `diagnose`: run every check that applies to a trained model, and report why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from workbench.core.entries import public
from workbench.core.markup import html_table
from workbench.core.numbers import checked_seed
from workbench.core.observation import optional_values
from workbench.diagnostics.advice import MEANINGS
from workbench.diagnostics.checks import DIAGNOSTICS, VERDICTS
from workbench.diagnostics.family import Finding, family_verdicts

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.training import Run

NOT_APPLICABLE = "not applicable"


#: First sentence of a report, by its verdict.
HEADLINES = MEANINGS | {NOT_APPLICABLE: "Nothing could be checked."}
#: Headings of the sections of a report by verdict, in their order.
HEADINGS = {
    "red": "Failed",
    "amber": "Off, but little",
    "green": "Checked, nothing found",
    NOT_APPLICABLE: "Not checked",
}


class Report(dict):
    """Result of `diagnose`: a dict of Datasets by the key of their check. Printed, it is a table.

    Verdicts are corrected for the number of checks, see `workbench.diagnostics.family`; the attribute
    ``verdict_alone`` of each Dataset is the one before.
    """

    @property
    def verdict(self) -> str:
        """The worst of all verdicts; "not applicable" where no check applies."""
        verdicts = [d.attrs["verdict"] for d in self.values() if d.attrs["verdict"] in VERDICTS]
        return max(verdicts, key=VERDICTS.index, default=NOT_APPLICABLE)

    def summary(self) -> dict[str, Any]:
        """Return a JSON-ready dict: overall verdict; of each check verdict, p value, severity, …."""
        return {
            "verdict": self.verdict,
            "diagnostics": {key: _summary(data) for key, data in self.items()},
        }

    def plain(self) -> str:
        """Return the report in words: failed checks with their remedies first, then the others."""
        groups = {
            verdict: [d for d in self.values() if d.attrs["verdict"] == verdict] for verdict in HEADINGS
        }
        lines = [HEADLINES[self.verdict]]
        for verdict, heading in HEADINGS.items():
            lines += [f"{heading}:"] if groups[verdict] else []
            for data in groups[verdict]:
                lines.append(f"  {data.attrs['title']}. {data.attrs.get('checked', '')}")
                lines.append(f"    {data.attrs['sentence']}")
                lines += [f"    What to do: {remedy}"] if (remedy := _remedy(data)) else []
        return "\n".join(lines)

    def __str__(self) -> str:
        return "\n".join(f"{title:<20} {verdict:<15} {sentence}" for title, verdict, sentence in self._rows())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = ("check", "verdict", "finding", "what to do")
        rows = [(*row, _remedy(d)) for row, d in zip(self._rows(), self.values(), strict=True)]
        return html_table(rows, head=head, title=HEADLINES[self.verdict])

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(d.attrs["title"], d.attrs["verdict"], d.attrs["sentence"]) for d in self.values()]


def _remedy(data: xr.Dataset) -> str:
    """Return the remedy in the attributes of a check's Dataset if its verdict is amber or red, else ""."""
    return data.attrs.get("remedy", "") if data.attrs["verdict"] in ("amber", "red") else ""


def _summary(data: xr.Dataset) -> dict[str, Any]:
    numbers = {name: float(v) for name, v in data.data_vars.items() if v.ndim == 0}
    tests = {name: float(data.attrs.get(name, np.nan)) for name in ("p_value", "severity")}
    return {
        "verdict": data.attrs["verdict"],
        **{name: value if np.isfinite(value) else None for name, value in tests.items()},
        "sentence": data.attrs["sentence"],
        "checked": data.attrs.get("checked", ""),
        "remedy": _remedy(data),
        "numbers": {name: value if np.isfinite(value) else None for name, value in numbers.items()},
    }


@public
def diagnose(
    fitted: FittedModel | Run,
    problem: Problem | None = None,
    *,
    seed: int = 0,
    budget: str = "fast",
    only: Iterable[str] = (),
    observation: Any = (),
) -> Report:
    """Run all checks that apply to a trained model.

    Parameters
    ----------
    fitted : a Run or a FittedModel.
    problem : the problem that it was trained on; by default the run's own, or that of the experiment that
        the model carries.
    seed : seed of held-out data and draws; same seed, same verdicts.
    budget : "fast" (seconds) or "thorough" (minutes).
    only : keys of the checks to run (empty: all). Raises `SpecError` for unknown ones.
    observation : observation, M numbers or by name, for checks at a single one (empty: the problem's own,
        and fresh ones).

    Returns
    -------
    A dict of Datasets by the check's key. Together the checks call an exact posterior not green about once in
    a hundred times. A check that does not apply has the verdict "not applicable" and the reason as its
    sentence.
    """
    import xarray as xr

    from workbench.training.problem_of_model import problem_of_model

    model = cast("FittedModel", getattr(fitted, "fitted", fitted))
    if problem is None:
        problem = getattr(fitted, "problem", None) or problem_of_model(model, "A model was to be diagnosed")
    members = [DIAGNOSTICS[key].within(budget) for key in (tuple(only) or DIAGNOSTICS.keys())]
    seed = checked_seed(seed)
    if values := optional_values(observation, model.y):
        members = [m.at_observation(list(values)) for m in members]
    report = Report()
    for member in members:
        reasons = member.refusals(model, problem)
        report[member.key] = (
            xr.Dataset(
                attrs={
                    "diagnostic": member.key,
                    "title": member.title,
                    "verdict": NOT_APPLICABLE,
                    "sentence": " ".join(reasons),
                    "seed": seed,
                    "checked": member.purpose,
                    "remedy": "",
                }
            )
            if reasons
            else member.measure(model, problem, seed=seed)
        )
    return _corrected(report)


def _corrected(report: Report) -> Report:
    """Return a report with the verdicts corrected for the number of its checks."""
    verdicts = family_verdicts(
        {
            key: Finding(data.attrs["verdict"], data.attrs["p_value"], data.attrs["level"])
            for key, data in report.items()
            if data.attrs["verdict"] in VERDICTS
        }
    )
    for key, own in verdicts.items():
        attrs = report[key].attrs
        report[key] = report[key].assign_attrs(
            verdict=own.verdict,
            verdict_alone=attrs["verdict"],
            corrected_p=own.corrected_p,
            sentence=attrs["sentence"] + own.sentence,
        )
    return report
