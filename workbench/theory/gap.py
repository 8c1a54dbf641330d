"""The variational gap η and the overfit r, on held-out samples.

η    D_f - L_z: what the critic's class misses; needs the true divergence, and is otherwise not checkable
r    L̂_z on the critic's own samples less L_z on others: what it has learned by heart

On finite samples both carry the sampling error of the held-out value.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.theory.checks import number


@dataclass(frozen=True)
class VariationalGap:
    """``gap`` is NaN where the true divergence is not known; ``overfit`` is always there."""

    gap: float
    overfit: float
    standard_error: float
    sentence: str


def variational_gap(estimate, true_value: float | None = None) -> VariationalGap:
    """From a held-out estimate of the divergence (value, train_value, standard_error) and the true one, if
    known."""
    held_out, own = (
        number("the held-out value", estimate.value),
        number("the training value", estimate.train_value),
    )
    overfit = own - held_out
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
