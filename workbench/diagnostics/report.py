"""diagnose: every diagnostic that applies to a trained model, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from workbench.core.errors import SpecError
from workbench.diagnostics.advice import MEANINGS
from workbench.diagnostics.checks import DIAGNOSTICS, VERDICTS
from workbench.training import Experiment

NOT_APPLICABLE = "not applicable"


#: What a report says first, by its verdict, and the order in which it goes on.
HEADLINES = MEANINGS | {NOT_APPLICABLE: "Nothing could be checked."}
SAID = {
    "red": "Failed",
    "amber": "Off, but little",
    "green": "Checked, nothing found",
    NOT_APPLICABLE: "Not checked",
}


class Report(dict):
    """Datasets by the key of their diagnostic, in the catalogue's order. Printed, it is a table."""

    @property
    def verdict(self) -> str:
        """The worst of all verdicts; "not applicable" where there is none."""
        found = [d.attrs["verdict"] for d in self.values() if d.attrs["verdict"] in VERDICTS]
        return max(found, key=VERDICTS.index, default=NOT_APPLICABLE)

    def summary(self) -> dict[str, Any]:
        """JSON-ready: the verdict, and for each diagnostic its verdict, sentence and single numbers."""
        return {
            "verdict": self.verdict,
            "diagnostics": {key: _summary(data) for key, data in self.items()},
        }

    def plain(self) -> str:
        """In words: what was checked and holds, what failed and what to do, what could not be checked."""
        groups = {verdict: [d for d in self.values() if d.attrs["verdict"] == verdict] for verdict in SAID}
        lines = [HEADLINES[self.verdict]]
        for verdict, said in SAID.items():
            lines += [f"{said}:"] if groups[verdict] else []
            for data in groups[verdict]:
                lines.append(f"  {data.attrs['title']}. {data.attrs.get('checked', '')}")
                lines.append(f"    {data.attrs['sentence']}")
                lines += [f"    What to do: {remedy}"] if (remedy := _remedy(data)) else []
        return "\n".join(lines)

    def __str__(self) -> str:
        rows = [(d.attrs["title"], d.attrs["verdict"], d.attrs["sentence"]) for d in self.values()]
        return "\n".join(f"{title:<20} {verdict:<15} {sentence}" for title, verdict, sentence in rows)


def _remedy(data: xr.Dataset) -> str:
    """What to do; nothing where nothing was found."""
    return data.attrs.get("remedy", "") if data.attrs["verdict"] in ("amber", "red") else ""


def _summary(data: xr.Dataset) -> dict[str, Any]:
    numbers = {name: float(v) for name, v in data.data_vars.items() if v.ndim == 0}
    return {
        "verdict": data.attrs["verdict"],
        "sentence": data.attrs["sentence"],
        "checked": data.attrs.get("checked", ""),
        "remedy": _remedy(data),
        "numbers": {name: value if np.isfinite(value) else None for name, value in numbers.items()},
    }


def diagnose(
    fitted: Any,
    problem: Any = None,
    *,
    seed: int = 0,
    budget: str = "fast",
    only: Iterable[str] = (),
    observation: Sequence[float] = (),
) -> Report:
    """Run all diagnostics that apply.

    Parameters
    ----------
    fitted : a Run or a FittedModel.
    problem : what it was trained on; by default the run's own, or that of the experiment that the model
        carries.
    seed : same seed, same verdicts.
    budget : "fast" (seconds) or "thorough" (minutes).
    only : keys of the diagnostics to run (none: all); unknown ones raise `SpecError`.
    observation : where local diagnostics look (none: at the problem's own, and at fresh ones).

    Returns
    -------
    A dict of Datasets by key. What does not apply has the verdict "not applicable" and the reason as its
    sentence.
    """
    model = getattr(fitted, "fitted", fitted)
    problem = problem if problem is not None else getattr(fitted, "problem", None) or _problem(model)
    members = [DIAGNOSTICS[key].within(budget) for key in (tuple(only) or DIAGNOSTICS.keys())]
    if len(observation):
        values = [float(v) for v in observation]
        members = [m.asked_at(values) for m in members]
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
                    "seed": int(seed),
                    "checked": member.checked,
                    "remedy": "",
                }
            )
            if reasons
            else member.measure(model, problem, seed=seed)
        )
    return report


def _problem(model: Any) -> Any:
    """The problem of the experiment that a model carries. Raises `SpecError` where there is none."""
    manifest = getattr(model, "manifest", {}) or {}
    if "experiment" not in manifest:
        raise SpecError(
            "A model was to be diagnosed without its problem",
            expected="a run, or a problem as the second argument",
            found="a model that does not say what it was trained on",
        )
    return Experiment.from_dict(manifest["experiment"]).problem
