"""The assumptions of VINA Theorem 3.1 (arXiv:2602.20480), each marked: declared, measured or not checkable.

declared        implied by the class of networks, whatever the weights
measured        a number from samples or from this network's weights; an estimate, not a proof
not checkable   a statement on distributions, or on a supremum that no sample shows
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.theory.constants import pinsker_constant
from workbench.theory.lipschitz import LipschitzConstants
from workbench.theory.moments import Moment

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence
    from workbench.theory.gap import VariationalGap

DECLARED, MEASURED, NOT_CHECKABLE = "declared", "measured", "not checkable"


@dataclass(frozen=True)
class Assumption:
    """One assumption of Theorem 3.1: name, status, number (NaN where it has none), and an explanation."""

    name: str
    status: str
    value: float
    sentence: str


def assumptions(
    divergence: Divergence,
    *,
    lipschitz: LipschitzConstants,
    moments: tuple[Moment, Moment],
    misfit: float,
    gap: VariationalGap,
) -> tuple[Assumption, ...]:
    """Return all assumptions of Theorem 3.1 with their status for these measurements.

    ``moments`` are those of (Y, Z) and of (Y, T_z(X)), ``misfit`` is the held-out L_y = E|T_y(X) - Y|².
    Raises `IncompatibleError` for a divergence to which the theorem does not apply.
    """
    constant, nan = pinsker_constant(divergence), float("nan")
    has_gap = gap.gap == gap.gap  # it is NaN where the true divergence is unknown
    tails = "the tails allow it" if all(m.finite for m in moments) else "the tails are too heavy for it"
    by_class = lipschitz.source == DECLARED
    return (
        Assumption("Pinsker", DECLARED, constant, f"TV <= c_f sqrt(D): {divergence.pinsker_reason}"),
        Assumption(
            "INN1 realisable", NOT_CHECKABLE, misfit,
            "Some network of the class must solve the problem exactly; L_y above 0 is no proof either way.",
        ),
        Assumption(
            "INN1 bi-Lipschitz", DECLARED if by_class else MEASURED, lipschitz.largest,
            "Upper bound by construction." if by_class else "The largest measured slope: a lower bound of J.",
        ),
        Assumption(
            "INN2 uniform convergence", NOT_CHECKABLE, gap.overfit,
            "It concerns every network of the class; the overfit of this critic is shown in its place.",
        ),
        Assumption("INN3 moments", MEASURED, max(m.value for m in moments), f"Sample means; {tails}."),
        Assumption(
            "INN4 gap", MEASURED if has_gap else NOT_CHECKABLE, gap.gap if has_gap else nan, gap.sentence
        ),
    )  # fmt: skip
