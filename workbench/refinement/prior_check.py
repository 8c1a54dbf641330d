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

#: Most draws of the proposal.
PRIOR_CHECK = 20_000
#: Draws of the prior behind the proposal; first draws of the proposal, which decide on the others; and the
#: fewest effective ones of the first and of all.
_PRIOR_DRAWS, _FIRST, _FEWEST = 20_000, 2000, (2.0, 20.0)
#: Difference of log evidences in standard errors and in nats from which a mode is thought to be missing.
_ERRORS, _NATS = 3.0, 0.2


class PriorProposal:
    """Distribution about as wide as a problem's prior, with a density; float64.

    Its coordinates u are log x where x is positive, and x elsewhere. Raises `RuntimeError` where draws of the
    prior are degenerate.
    """

    def __init__(self, problem: Problem, generator: torch.Generator) -> None:
        low = torch.tensor([v.low for v in problem.x]).double()
        high = torch.tensor([v.high for v in problem.x]).double()
        self.positive = (low == 0) & high.isinf()
        self.boxed = low.isfinite() & high.isfinite()
        self.low, self.high = low[self.boxed], high[self.boxed]
        free = self.to_u(problem.prior(_PRIOR_DRAWS, generator))[:, ~self.boxed]
        self.mean = free.mean(0)
        covariance = torch.cov(free.T).reshape(free.shape[1], -1) if free.shape[1] else free.new_zeros(0, 0)
        self.factor = torch.linalg.cholesky(covariance)

    def to_u(self, x: Tensor) -> Tensor:
        """Return coordinates u (n, D) of x (n, D)."""
        return torch.where(self.positive, x.double().clamp(min=1e-300).log(), x.double())

    def to_x(self, u: Tensor) -> Tensor:
        """Return x (n, D) at coordinates u (n, D)."""
        return torch.where(self.positive, u.exp(), u)

    def log_volume(self, u: Tensor) -> Tensor:
        """Return log|det ∂x/∂u| (n,) at coordinates u (n, D)."""
        return (u * self.positive).sum(1)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return coordinates u (n, D) of n draws."""
        u = torch.empty(n, len(self.boxed), dtype=torch.float64)
        share = torch.rand(n, len(self.low), generator=generator, dtype=torch.float64)
        u[:, self.boxed] = self.low + (self.high - self.low) * share
        normal = torch.randn(n, len(self.mean), generator=generator, dtype=torch.float64)
        u[:, ~self.boxed] = self.mean + normal @ self.factor.T
        return u

    def log_density(self, u: Tensor) -> Tensor:
        """Return the log density (n,) of the coordinates u (n, D), in nats; −∞ outside finite bounds."""
        inside = ((u[:, self.boxed] >= self.low) & (u[:, self.boxed] <= self.high)).all(1)
        residual = torch.linalg.solve_triangular(self.factor, (u[:, ~self.boxed] - self.mean).T, upper=False)
        constant = float((self.high - self.low).log().sum() + self.factor.diagonal().log().sum())
        constant += 0.5 * len(self.mean) * math.log(2 * math.pi)
        return torch.where(inside, -0.5 * residual.square().sum(0) - constant, -math.inf)


def missing_mode_warnings(
    amortised: AmortisedPosterior,
    log_evidence: float,
    error: float,
    generator: torch.Generator,
    most: int = PRIOR_CHECK,
) -> tuple[str, ...]:
    """Warn where draws of the prior's width find more evidence (nats) than a refinement with that error did.

    Takes up to ``most`` evaluations of the joint density, and 2000 where these show that the posterior is too
    narrow to be met; nothing is said then.
    """
    problem = amortised.problem
    if not math.isfinite(log_evidence) or not math.isfinite(error) or not has_prior(problem):
        return ()
    try:
        proposal = PriorProposal(problem, generator)
    except (ArithmeticError, RuntimeError, ValueError):  # a degenerate prior
        return ()
    u = proposal.draw(most, generator)
    log_density = proposal.log_density(u) - proposal.log_volume(u)
    x, parts = proposal.to_x(u), []
    for rows, fewest in ((slice(0, _FIRST), _FEWEST[0]), (slice(_FIRST, None), _FEWEST[1])):
        parts.append(amortised.log_joint(x[rows]) - log_density[rows])
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


def has_prior(problem: Problem) -> bool:
    """Test whether the unknowns of a problem can be drawn without simulating."""
    from workbench.problems import Problem as Base

    return type(problem)._prior is not Base._prior
