"""What to do about a diagnostic that is not green, in plain words.

Diagnostics bring their own (``checked``, ``remedy``); for one that does not there is a sentence that is
always true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.diagnostics.checks import DIAGNOSTICS, VERDICTS

_TRAIN = "Train longer or on more draws; look whether the validation loss still falls."
#: For a diagnostic that says nothing of its own.
GENERAL = f"{_TRAIN} If that does not help, take a more expressive architecture, and compare both here."
_UNMEASURED = "Nothing is wrong: this could not be checked here, so that nothing follows from it."

#: What a whole report means: one sentence for the worst verdict of all.
MEANINGS = {
    "green": "Nothing was found against this posterior. That is as far as these checks can see.",
    "amber": "Something was found that is small. Use the posterior with the reservations below.",
    "red": "Do not rely on this posterior yet: at least one check failed.",
}


def advice(key: str, verdict: str) -> str:
    """What to do; empty where nothing has to be done."""
    if verdict not in VERDICTS:
        return _UNMEASURED
    if verdict == "green":
        return ""
    return getattr(DIAGNOSTICS[key], "remedy", "") or GENERAL


def plainly(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """The worst verdict and a sentence for everybody, from what was found by key: dicts with ``title`` and
    ``verdict``. Without any verdict ("", and why)."""
    judged = {key: one for key, one in found.items() if one["verdict"] in VERDICTS}
    if not judged:
        return "", "None of the checks applies to this model, so that nothing is known of its quality."
    worst = max((one["verdict"] for one in judged.values()), key=VERDICTS.index)
    failed = [one["title"] for one in judged.values() if one["verdict"] != "green"]
    left = [one["title"] for key, one in found.items() if key not in judged]
    said = f"{MEANINGS[worst]} Checked: {', '.join(one['title'] for one in judged.values())}."
    said += f" Not green: {', '.join(failed)}." if failed else ""
    said += f" Could not be checked: {', '.join(left)}." if left else ""
    return worst, said
