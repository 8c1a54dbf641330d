"""What to do about a diagnostic that is not green, in plain words.

A diagnostic may bring its own: the class attribute ``advice``, one or two sentences. What stands here are the
common ones; for the rest there is a sentence that is always true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.diagnostics.judged import DIAGNOSTICS, VERDICTS

_TRAIN = "Train longer or on more draws; look whether the validation loss still falls."
ADVICE = {
    "invertibility": "Round trips lose numbers: lower the learning rate or bound the scales, and do not "
    "trust draws far from the data until this is green.",
    "latent_normality": "The latent code is not the normal law that draws begin with, so that draws "
    f"differ from the data. {_TRAIN}",
    "held_out_density": f"The density does not hold on data that were not trained on. {_TRAIN} If the "
    "training loss is much lower, the network has learned its data by heart: use more of them or a "
    "smaller network.",
    "calibration": "Credible intervals do not hold what they say. Too narrow: more draws for the "
    "training, weight decay or a smaller network. Too wide or shifted: train longer, or take a more "
    "expressive architecture.",
    "tarp": "Credible regions do not hold what they say, several variables taken together. Do as for the "
    "calibration.",
    "posterior_mmd": f"The posterior differs from the reference. {_TRAIN} A mode that is missing calls "
    "for a more expressive architecture.",
    "resimulation_error": "Draws do not lead back to the observation. Where data are free of noise a "
    "network smears the posterior: a wider or deeper one, trained longer, smears less.",
}
#: For a diagnostic that says nothing of its own.
GENERAL = f"{_TRAIN} If that does not help, take a more expressive architecture, and compare both here."
_UNMEASURED = "Nothing is wrong: this could not be checked here, so that nothing follows from it."

#: What a whole report means: one sentence for the worst verdict of all.
MEANINGS = {
    "green": "Nothing was found against this posterior. That is as far as these checks can see.",
    "amber": "Something was found that is small. Use the posterior with the reservations below.",
    "red": "Do not rely on this posterior yet: at least one check failed.",
}


def advice(key: str, verdict: str, sentence: str = "") -> str:
    """What to do; empty where nothing has to be done."""
    if verdict not in VERDICTS:
        return _UNMEASURED
    if verdict == "green":
        return ""
    own = getattr(DIAGNOSTICS[key], "advice", "") if key in DIAGNOSTICS.keys() else ""
    return own or ADVICE.get(key, GENERAL)


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
