"""Variational gap and overfit of a critic, on held-out samples, for VINA (arXiv:2602.20480).

A critic gives a lower bound L_z of the f-divergence D_f between (Y, Z) and (Y, T_z(X)), Z the latent prior
and T_z(X) the latents of the data under the network T; L̂_z is its value on its training samples.

gap      η = D_f - L_z: how far the critic's value stays below the divergence (assumption INN4 of the paper's
         Theorem 3.1); it needs the true divergence, and is otherwise not checkable
overfit  r = L̂_z less its value on held-out samples, which stands for the theorem's bound r_n on the sampling
         error of L_z (assumption INN2)

On finite samples both carry the sampling error of the held-out value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.theory.checks import number

if TYPE_CHECKING:
    from workbench.divergences.estimate import Estimate


@dataclass(frozen=True)
class VariationalGap:
    """Variational gap and overfit of one critic, a lower bound of an f-divergence.

    Attributes
    ----------
    gap : η, the true divergence less the critic's held-out value, at least 0; NaN if the former is unknown.
    overfit : the critic's value on its training samples less that on held-out samples.
    standard_error : standard error of the held-out value.
    sentence : explanation of ``gap``.
    """

    gap: float
    overfit: float
    standard_error: float
    sentence: str


@public
def variational_gap(estimate: Estimate, true_value: float | None = None) -> VariationalGap:
    """Compare a critic's held-out value with its training value and with the true divergence, if known.

    ``estimate`` holds both values of the critic; ``true_value`` is the divergence that they bound from below.
    """
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
