"""The assumptions of VINA Theorem 3.1 (arXiv:2602.20480), each with a status and a number.

The theorem bounds the Wasserstein-1 distance W1 between the true posterior of x given y and that of a trained
network T = (T_y, T_z), a bijection x -> (y, z) with latents z whose law is P_Z. It assumes

Pinsker   TV <= c_f sqrt(D_f): the divergence D_f bounds the total variation TV
INN1      realisable: some network of the class has T_y(X) = Y and P_{Y,T_z(X)} = P_{Y,Z};
          bi-Lipschitz: J bounds the Lipschitz constants of all T and T⁻¹ of the class
INN2      uniform convergence: over all networks, the losses on n samples are close to their expectations
INN3      moments: E|(Y,Z)|^(1+a) and E|(Y,T_z(X))|^(1+a) are finite for some a > 0
INN4      gap: the critics' best value L_z falls short of D_f(P_{Y,Z} || P_{Y,T_z(X)}) by at most η

Status:

declared        implied by the class of networks or by the divergence, whatever the weights
measured        a number from samples or from this network's weights; an estimate, not a proof
not checkable   a statement on distributions, or on a supremum that no sample shows
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.theory.constants import pinsker_constant
from workbench.theory.lipschitz import LipschitzConstants
from workbench.theory.moments import Moment

if TYPE_CHECKING:
    from workbench.divergences.base import Divergence
    from workbench.theory.gap import VariationalGap

#: Status of an assumption or term: implied by the class, estimated, or out of reach of any sample.
DECLARED, MEASURED, NOT_CHECKABLE = "declared", "measured", "not checkable"


@dataclass(frozen=True)
class Assumption:
    """One assumption of VINA Theorem 3.1 (arXiv:2602.20480).

    Attributes
    ----------
    name : what is assumed: Pinsker, INN1 realisable, INN1 bi-Lipschitz, INN2, INN3 or INN4.
    status : "declared" (implied by the class), "measured" (estimated) or "not checkable".
    value : the number that belongs to it, or that is shown in its place; NaN where there is none.
    sentence : explanation of the status and of the number.
    """

    name: str
    status: str
    value: float
    sentence: str


@public
def assumptions(
    divergence: Divergence,
    *,
    lipschitz: LipschitzConstants,
    moments: tuple[Moment, Moment],
    misfit: float,
    gap: VariationalGap,
) -> tuple[Assumption, ...]:
    """Return all assumptions of VINA Theorem 3.1 (arXiv:2602.20480) with their status for one network.

    Parameters
    ----------
    divergence : D_f, whose Pinsker constant c_f is reported; `IncompatibleError` is raised if it has none.
    lipschitz : Lipschitz constants of the network T and of its inverse, declared or measured.
    moments : estimated moments of order 1 + a of (Y, Z) and of (Y, T_z(X)), Z the latent prior and T_z(X) the
        latents of the data; the larger is reported.
    misfit : L_y = E|T_y(X) - Y|² on held-out data, the squared error of the predicted y.
    gap : variational gap η and overfit of a critic.
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
