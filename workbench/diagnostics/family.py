"""Correction of the verdicts of several checks of one model for their number.

Each check alone keeps its level: an exact posterior fails it once in a hundred times by chance. A dozen of
them together would fail more than once in ten times. The p values of all checks in a report are therefore
corrected by Holm's method, which bounds the probability of any false alarm whatever the dependence between
the checks: a verdict that rests on a p value is green where the corrected p is at least the level. Faults
that are no matter of chance (draws that are not finite, an infinite density, a lost inverse) are not touched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Level at which the checks of a report are tested together.
LEVEL = 0.01


@dataclass(frozen=True)
class Finding:
    """Verdict of one check, the p value that it rests on (NaN: none) and the level of its test."""

    verdict: str
    p: float
    level: float = LEVEL


@dataclass(frozen=True)
class FamilyVerdict:
    """Verdict of a check among others, its corrected p value, and a sentence where the verdict changed."""

    verdict: str
    corrected_p: float
    sentence: str = ""


def family_verdicts(findings: Mapping[str, Finding]) -> dict[str, FamilyVerdict]:
    """Return the verdicts of checks, by key, at a common level: the smallest one of their tests."""
    from workbench.inference.statistics import holm

    p_values = {key: f.p for key, f in findings.items() if math.isfinite(f.p)}
    corrections = dict(zip(p_values, holm(np.asarray(list(p_values.values()))).tolist(), strict=True))
    level = min((findings[key].level for key in p_values), default=LEVEL)
    result = {}
    for key, finding in findings.items():
        p = corrections.get(key, math.nan)
        if finding.verdict in ("amber", "red") and finding.p > 0 and p >= level:
            sentence = (
                f" One of {len(p_values)} checks is this far off by chance more than once in "
                f"{round(1 / level)} exact posteriors (corrected p {p:.2g}): not counted."
            )
            result[key] = FamilyVerdict("green", p, sentence)
        else:
            result[key] = FamilyVerdict(finding.verdict, p)
    return result
