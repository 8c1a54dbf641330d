"""Remedies for a check whose verdict is not green, and a summary of all checks, in plain words.

Checks define their own ``purpose`` and ``remedy``; a check without a remedy gets general advice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workbench.diagnostics.checks import DIAGNOSTICS, VERDICTS
from workbench.diagnostics.family import Finding, family_verdicts

_TRAIN = "Train longer or on more draws; watch whether the validation loss still falls."
#: Advice for a check without a remedy of its own.
GENERAL = f"{_TRAIN} If that does not help, take a more expressive architecture, and compare both here."
_UNMEASURED = "Nothing is wrong: this could not be checked here, so that nothing follows from it."

#: Meaning of a whole report: one sentence for the worst verdict of all.
MEANINGS = {
    "green": "Nothing was found against this posterior. That is as far as these checks can see.",
    "amber": "Something was found that is small. Use the posterior with the reservations below.",
    "red": "Do not rely on this posterior yet: at least one check failed.",
}


def advice(key: str, verdict: str) -> str:
    """Return the remedy for the check ``key``; empty for the verdict "green".

    For a verdict other than green, amber and red it says that the check did not apply.
    """
    if verdict not in VERDICTS:
        return _UNMEASURED
    if verdict == "green":
        return ""
    return getattr(DIAGNOSTICS[key], "remedy", "") or GENERAL


def in_family(results: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return results of checks that were run one by one with the verdicts that they have together.

    ``results`` maps keys to mappings as `Report.summary` gives them for each check; those without a
    ``p_value`` are returned as they are. Remedies and advice of verdicts that become green are removed.
    """
    findings = {
        key: Finding(result["verdict"], math.nan if result.get("p_value") is None else result["p_value"])
        for key, result in results.items()
    }
    together = {}
    for key, own in family_verdicts(findings).items():
        together[key] = dict(results[key])
        if own.sentence:
            sentence = together[key]["sentence"] + own.sentence
            together[key] |= {"verdict": own.verdict, "sentence": sentence}
            together[key] |= {name: "" for name in ("remedy", "advice") if name in together[key]}
    return together


def plain_summary(results: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return the worst verdict of all checks and a summary in plain words.

    ``results`` maps the key of each check to a mapping with ``title`` and ``verdict``, and with ``p_value``
    where verdicts are to be corrected for their number (`in_family`). Where no check has a verdict, returns
    "" and a sentence that says so.
    """
    if any("p_value" in result for result in results.values()):
        results = in_family({key: {"sentence": ""} | dict(result) for key, result in results.items()})
    verdicts = {key: result for key, result in results.items() if result["verdict"] in VERDICTS}
    if not verdicts:
        return "", "None of the checks applies to this model, so that nothing is known of its quality."
    worst = max((result["verdict"] for result in verdicts.values()), key=VERDICTS.index)
    titles = [result["title"] for result in verdicts.values()]
    faults = [result["title"] for result in verdicts.values() if result["verdict"] != "green"]
    missing = [result["title"] for key, result in results.items() if key not in verdicts]
    summary = f"{MEANINGS[worst]} Checked: {', '.join(titles)}."
    summary += f" Not green: {', '.join(faults)}." if faults else ""
    summary += f" Could not be checked: {', '.join(missing)}." if missing else ""
    return worst, summary
