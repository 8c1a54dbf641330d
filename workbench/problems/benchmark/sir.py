"""An epidemic: rates of infection and recovery from ten rounds of random tests.

Prior:      β ~ LogNormal(log 0.4, 0.5), γ ~ LogNormal(log 0.125, 0.2), both per day.
Model:      S' = -β S I/N, I' = β S I/N - γ I, R' = γ I; N = 10⁶ people, one of them infected on day 0.
Observed:   y_k ~ Binomial(1000, I(t_k)/N), t_k = 0, 17, …, 153 days.
Likelihood: binomial, exact up to the error of the solver; the gamma function extends it to fractional y_k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS
from workbench.problems.benchmark.populations import PopulationProblem, log_populations
from workbench.problems.numbered_variables import numbered

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

# expected counts at β = 0.4, γ = 0.125, rounded
DEFAULT = (0.0, 0.0, 11.0, 307.0, 129.0, 23.0, 4.0, 1.0, 0.0, 0.0)
PEOPLE, TESTS, INTERVAL, TIMES = 1e6, 1000.0, 17.0, 10
#: Points of a plotted curve per interval between observations.
POINTS_PER_INTERVAL = 8


@PROBLEMS.register
class SusceptibleInfectedRecovered(PopulationProblem):
    """Infer the rates of a susceptible-infected-recovered (SIR) epidemic from counts of positive tests."""

    key = "sir"
    title = "Epidemic (SIR)"
    summary = "Rates of infection and recovery of an epidemic from ten rounds of a thousand tests."
    reference = "Kermack & McKendrick 1927, Proc. R. Soc. A 115; Lueckmann et al. 2021, arXiv 2101.04653, T.9"
    locations = (math.log(0.4), math.log(0.125))
    scales = (0.5, 0.2)

    @property
    def x(self) -> tuple[Variable, ...]:
        return (
            Variable("contact_rate", "β", "1/day", low=0.0, description="Infections by one person a day."),
            Variable("recovery_rate", "γ", "1/day", low=0.0, description="Share that recovers in a day."),
        )

    @property
    def y(self) -> tuple[Variable, ...]:
        note = "Infected among 1000 people tested, every 17 days from day 0."
        return numbered("infected", "I", TIMES, low=0.0, high=TESTS, description=note)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.LOG_JOINT})

    @property
    def observation_window(self) -> Window:
        return ((0.0, 700.0),) * TIMES

    @property
    def default_observation(self) -> tuple[float, ...]:
        return DEFAULT

    def _log_populations(self, x: Tensor, points: int = 1) -> Tensor:
        """Return log S/N and log I/N (n, times, 2) at ``points`` times per interval between observations."""
        contact, recovery = x.T
        rates = torch.stack([torch.zeros_like(recovery), -recovery], 1)
        feeding = torch.stack([-contact, contact], 1)
        start, count = (1 - 1 / PEOPLE, 1 / PEOPLE), points * (TIMES - 1) + 1
        return log_populations(rates, feeding, start, INTERVAL / points, count)

    def figure(self, x: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Return infected people per 1000 over time as lines (n, 73, 2), and the plot's labels.

        Rows for which the solver fails are left out.
        """
        share = self._log_populations(x.double(), POINTS_PER_INTERVAL)[:, :, 1].exp()
        days = torch.arange(share.shape[1], dtype=share.dtype) * INTERVAL / POINTS_PER_INTERVAL
        lines = torch.stack([days.expand_as(share), TESTS * share], -1)
        return lines[~share.isnan().any(1)], {
            "title": "Epidemic",
            "horizontal_label": "time [day]",
            "vertical_label": "infected among 1000",
            "function": True,
        }

    def observed_points(self, observation: Sequence[float]) -> list[tuple[float, float]]:
        """Return the points (day, number of positive tests) of the ten rounds of tests."""
        return [(INTERVAL * k, count) for k, count in enumerate(observation)]

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        share = self._log_populations(x.detach().double().cpu())[:, :, 1].exp()
        failure = share.isnan()
        tests = torch.full_like(share, TESTS)
        counts = torch.binomial(tests, share.masked_fill(failure, 0.0).clamp(0, 1), generator=generator)
        return counts.masked_fill(failure, math.nan).to(x)

    def _log_likelihood(self, log_populations: Tensor, y: Tensor) -> Tensor:
        log_share = log_populations[:, :, 1].clamp(max=-1e-12)
        possible = ((y >= 0) & (y <= TESTS)).all(1)
        counts = y.clamp(0, TESTS)
        binomial = math.lgamma(TESTS + 1) - torch.lgamma(counts + 1) - torch.lgamma(TESTS - counts + 1)
        logs = binomial + counts * log_share + (TESTS - counts) * torch.log(-torch.expm1(log_share))
        return torch.where(possible, logs.sum(1), -math.inf)
