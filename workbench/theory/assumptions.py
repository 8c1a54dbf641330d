"""The assumptions of Theorem 3.1, each marked: declared, measured or not checkable.

declared        it follows from the class of networks, whatever the weights
measured        a number from samples or from this network's weights; an estimate, not a proof
not checkable   it speaks of laws or of a supremum that no sample shows
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.theory.constants import pinsker_constant
from workbench.theory.lipschitz import LipschitzConstants
from workbench.theory.moments import Moment

DECLARED, MEASURED, NOT_CHECKABLE = "declared", "measured", "not checkable"


@dataclass(frozen=True)
class Assumption:
    """One assumption: its name, how it is known, its number where it has one (else NaN), and a sentence."""

    name: str
    status: str
    value: float
    sentence: str


def assumptions(
    divergence, *, lipschitz: LipschitzConstants, moments: tuple[Moment, Moment], misfit: float, gap
) -> tuple[Assumption, ...]:
    """The list for a live panel. Refused for a divergence to which the theorem does not apply.

    ``moments`` are those of (Y, Z) and of (Y, T_z(X)); ``misfit`` is the held-out L_y; ``gap`` a
    `VariationalGap`.
    """
    constant, nan = pinsker_constant(divergence), float("nan")
    known = gap.gap == gap.gap
    tails = "the tails allow it" if all(m.finite for m in moments) else "the tails are too heavy for it"
    declared = lipschitz.source == DECLARED
    return (
        Assumption("Pinsker", DECLARED, constant, f"TV <= c_f sqrt(D): {divergence.pinsker_reason}"),
        Assumption(
            "INN1 realisable", NOT_CHECKABLE, misfit,
            "Some network of the class must solve the problem exactly; L_y above 0 is no proof either way.",
        ),
        Assumption(
            "INN1 bi-Lipschitz", DECLARED if declared else MEASURED, lipschitz.largest,
            "Upper bound by construction." if declared else "The steepest slope seen: a lower bound of J.",
        ),
        Assumption(
            "INN2 uniform convergence", NOT_CHECKABLE, gap.overfit,
            "It speaks of every network of the class; the overfit of this critic is shown in its place.",
        ),
        Assumption("INN3 moments", MEASURED, max(m.value for m in moments), f"Sample means; {tails}."),
        Assumption(
            "INN4 gap", MEASURED if known else NOT_CHECKABLE, gap.gap if known else nan, gap.sentence
        ),
    )  # fmt: skip
