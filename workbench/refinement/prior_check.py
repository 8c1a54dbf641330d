"""Check of an evidence against draws that know nothing of the network: is a mode missing?

proposal  unknowns with two finite bounds uniform between them, the others normal with mean and covariance of
          draws of the prior, in log x where x is positive
evidence  mean of p(x, y) / proposal(x) over its draws, where at least a few of them are effective
A network without a draw near some mode gives weights that look perfect and an evidence that is too small by
the mode's share. Where the posterior is wide enough for draws of the prior to meet it, they tell.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.refinement.weights import effective_size

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems import Problem
    from workbench.refinement.base import AmortisedPosterior

#: Draws of the prior behind the proposal; draws of the proposal, of which the first decide on the others; and
#: the fewest effective ones.
_PRIOR_DRAWS, _FIRST, _DRAWS, _FEWEST = 5000, 2000, 20_000, (2.0, 20.0)
#: Difference of log evidences in standard errors and in nats from which a mode is thought to be missing.
_ERRORS, _NATS = 3.0, 0.2


class PriorProposal:
    """Distribution about as wide as a problem's prior, with a density; float64.

    Raises `numpy.linalg.LinAlgError` or the errors of torch where draws of the prior are degenerate.
    """

    def __init__(self, problem: Problem, generator: torch.Generator) -> None:
        low = torch.tensor([v.low for v in problem.x]).double()
        high = torch.tensor([v.high for v in problem.x]).double()
        self.positive = (low == 0) & high.isinf()
        self.boxed = low.isfinite() & high.isfinite()
        self.low, self.high = low[self.boxed], high[self.boxed]
        x = problem.prior(_PRIOR_DRAWS, generator).double()
        u = torch.where(self.positive, x.clamp(min=1e-300).log(), x)[:, ~self.boxed]
        covariance = torch.atleast_2d(torch.cov(u.T)) if u.shape[1] else u.new_zeros(0, 0)
        self.middle, self.factor = u.mean(0), torch.linalg.cholesky(covariance)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return n draws x (n, D)."""
        u = torch.empty(n, len(self.boxed), dtype=torch.float64)
        share = torch.rand(n, len(self.low), generator=generator, dtype=torch.float64)
        u[:, self.boxed] = self.low + (self.high - self.low) * share
        normal = torch.randn(n, len(self.middle), generator=generator, dtype=torch.float64)
        u[:, ~self.boxed] = self.middle + normal @ self.factor.T
        return torch.where(self.positive, u.exp(), u)

    def log_density(self, x: Tensor) -> Tensor:
        """Return the log density (n,) of its own draws x (n, D), in nats."""
        logs = torch.where(self.positive, x.clamp(min=1e-300).log(), x)
        residual = torch.linalg.solve_triangular(
            self.factor, (logs[:, ~self.boxed] - self.middle).T, upper=False
        )
        constant = float((self.high - self.low).log().sum() + self.factor.diagonal().log().sum())
        constant += 0.5 * len(self.middle) * math.log(2 * math.pi)
        return -0.5 * residual.square().sum(0) - constant - (logs * self.positive).sum(1)


def missing_mode_warnings(
    amortised: AmortisedPosterior, log_evidence: float, error: float, generator: torch.Generator
) -> tuple[str, ...]:
    """Warn where draws of the prior's width find more evidence (nats) than a refinement with that error did.

    Takes up to 20,000 evaluations of the joint density, and 2000 where these show that the posterior is too
    narrow to be met; nothing is said then.
    """
    problem = amortised.problem
    if not math.isfinite(log_evidence) or not math.isfinite(error) or not _has_prior(problem):
        return ()
    try:
        proposal = PriorProposal(problem, generator)
    except (ArithmeticError, RuntimeError, ValueError):  # a degenerate prior
        return ()
    x = proposal.draw(_DRAWS, generator)
    parts = []
    for rows, fewest in ((slice(0, _FIRST), _FEWEST[0]), (slice(_FIRST, None), _FEWEST[1])):
        parts.append(amortised.log_joint(x[rows]) - proposal.log_density(x[rows]))
        ratio = torch.cat(parts)
        size = effective_size(ratio) if ratio.isfinite().any() else 0.0
        if size < fewest:
            return ()
    other = float(ratio.logsumexp(0)) - math.log(len(ratio))
    other_error = math.sqrt(max(1 / size - 1 / len(ratio), 0.0))
    more = other - log_evidence
    if more < max(_ERRORS * math.hypot(error, other_error), _NATS):
        return ()
    return (
        f"Draws of the prior find more: a log evidence of {other:.2f} ± {other_error:.2f} nats, {more:.2f} "
        "more than was found from the network. A part of the posterior in which the network has no draws is "
        f"missing, about {100 * (1 - math.exp(-more)):.0f} % of it. Train the network longer, or on more "
        "simulations.",
    )


def _has_prior(problem: Problem) -> bool:
    from workbench.problems import Problem as Base

    return type(problem)._prior is not Base._prior
