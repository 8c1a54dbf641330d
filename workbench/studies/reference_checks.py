"""Checks of draws that stand for an exact posterior, without any network.

bounds      every draw is finite and within the bounds of x
distinct    independent draws of a continuous posterior do not repeat
symmetry    where a reflection of x leaves the likelihood and the prior as they are, both halves have equal
            shares: four modes of SLCP (signs of x₃ and x₄), two of Two moons (sign of x₁ + x₂)
two seeds   draws with two seeds have the same distribution in every unknown and in the joint density
            (Kolmogorov-Smirnov), and a classifier does not tell them apart
All tests together call a right reference wrong about once in 10,000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems import Problem

#: Directions along which a reflection leaves the joint density as it is, by the problem's key.
MIRRORS = {
    "slcp": ((0.0, 0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0, 0.0)),
    "two_moons_posterior": ((1.0, 1.0),),
}
#: Level of all tests of one reference together; share of distinct draws; standard errors of the C2ST.
_LEVEL, _DISTINCT, _ERRORS = 1e-4, 0.99, 5.0


def mode_shares(key: str, x: Tensor) -> Tensor:
    """Return the shares (2^k,) of draws x (n, D) in the parts of space that k reflections of the problem
    ``key`` map onto each other; they are equal for the exact posterior."""
    sides = (x @ torch.tensor(MIRRORS[key]).to(x).T > 0).long()
    part = sides @ (2 ** torch.arange(sides.shape[1]))
    return torch.bincount(part, minlength=2 ** sides.shape[1]).double() / len(x)


def reference_faults(problem: Problem, y: Tensor, x: Tensor, again: Tensor | None = None) -> list[str]:
    """Return what is wrong with draws x (n, D) of the exact posterior at y (M,), one sentence each; none
    where nothing is.

    ``again`` (m, D) are independent draws with another seed.
    """
    sets = [x] if again is None else [x, again]
    faults = []
    for draws in sets:
        faults += _bound_faults(problem, draws)
        if problem.key in MIRRORS:
            faults += _symmetry_faults(problem.key, draws)
    return faults + ([] if again is None else _seed_faults(problem, y, x, again))


def floor_fault(floor: float, draws: int) -> str:
    """Return the sentence on a C2ST ``floor`` between two references of ``draws`` rows each that is above one
    half by more than chance; empty where it is not."""
    limit = 0.5 + _ERRORS * (0.25 / (2 * draws)) ** 0.5
    if floor <= limit:
        return ""
    return (
        f"A classifier tells draws of the exact posterior with one seed from those with another: expected a "
        f"C2ST of at most {limit:.3f}, found {floor:.3f}."
    )


def _bound_faults(problem: Problem, x: Tensor) -> list[str]:
    low, high = (torch.tensor([getattr(v, side) for v in problem.x]).to(x) for side in ("low", "high"))
    outside = int((~(x.isfinite() & (x >= low) & (x <= high)).all(1)).sum())
    faults = [f"Of {len(x)} draws {outside} are not within the bounds of x."] if outside else []
    distinct = len(x.unique(dim=0)) / len(x)
    if distinct < _DISTINCT:
        faults.append(
            f"Only {100 * distinct:.0f} % of the draws are distinct: expected independent ones of a "
            "continuous posterior."
        )
    return faults


def _symmetry_faults(key: str, x: Tensor) -> list[str]:
    from scipy.stats import chi2

    shares = mode_shares(key, x)
    statistic = float(len(x) * len(shares) * (shares - 1 / len(shares)).square().sum())
    if chi2.sf(statistic, len(shares) - 1) > _LEVEL / 3:
        return []
    parts = ", ".join(f"{share:.3f}" for share in shares.tolist())
    return [f"The posterior is symmetric: expected {len(shares)} modes of equal shares, found {parts}."]


def _seed_faults(problem: Problem, y: Tensor, x: Tensor, again: Tensor) -> list[str]:
    from scipy.stats import ks_2samp

    columns = {v.name: (x[:, i], again[:, i]) for i, v in enumerate(problem.x)}
    if Capability.LOG_JOINT in problem.capabilities:
        logs = [problem.log_joint(draws, y.expand(len(draws), -1)) for draws in (x, again)]
        columns["the joint density"] = (logs[0], logs[1])
    faults = []
    for name, (first, second) in columns.items():
        result = ks_2samp(first.numpy(), second.numpy())
        if result.pvalue < _LEVEL / (3 * len(columns)):
            faults.append(
                f"Two seeds disagree in {name}: their distribution functions differ by "
                f"{result.statistic:.3f} (p = {result.pvalue:.1g})."
            )
    return faults
