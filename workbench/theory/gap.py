"""Variational gap η and overfit r of a critic, on held-out samples.

η    D_f - L_z: how far the critic's value L_z stays below the divergence D_f; it needs the true divergence,
     and is otherwise not checkable
r    L̂_z, the critic's value on its training samples, minus its value on held-out samples

On finite samples both carry the sampling error of the held-out value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.theory.checks import number

if TYPE_CHECKING:
    from workbench.divergences.estimate import Estimate


@dataclass(frozen=True)
class VariationalGap:
    """Gap and overfit of a critic, and an explanation; ``gap`` is NaN if the true divergence is unknown."""

    gap: float
    overfit: float
    standard_error: float
    sentence: str


def variational_gap(estimate: Estimate, true_value: float | None = None) -> VariationalGap:
    """Compare a critic's held-out value with its training value and with the true divergence, if known."""
    held_out, train = (
        number("the held-out value", estimate.value),
        number("the training value", estimate.train_value),
    )
    overfit = train - held_out
    if true_value is None:
        return VariationalGap(
            float("nan"),
            overfit,
            estimate.standard_error,
            "Not checkable: the true divergence is not known; the held-out value is a lower bound.",
        )
    gap = number("the true divergence", true_value) - held_out
    return VariationalGap(
        max(gap, 0.0), overfit, estimate.standard_error, "Measured: true divergence less held-out value."
    )
