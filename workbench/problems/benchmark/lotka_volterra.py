"""Prey and predators: four rates from ten noisy counts of each.

Prior:      α, γ ~ LogNormal(-0.125, 0.5), β, δ ~ LogNormal(-3, 0.5), per day.
Model:      X' = α X - β X Y, Y' = -γ Y + δ X Y from X = 30 prey and Y = 1 predator.
Observed:   y ~ LogNormal(log u, 0.1), u = X or Y clipped to [1e-10, 1e4], at t = 0, 2.1, …, 18.9 days: first
            the ten counts of prey, then those of predators.
Likelihood: log-normal, exact up to the error of the solver.
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
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

START, INTERVAL, TIMES, NOISE = (30.0, 1.0), 2.1, 10, 0.1
#: Points of a plotted orbit per interval between observations.
POINTS_PER_INTERVAL = 10
# expected counts at the median of the prior, rounded
DEFAULT = (30.0, 37.3, 0.87, 1.84, 9.49, 54.1, 4.33, 0.9, 3.13, 17.5) + (
    1.0,
    73.8,
    22.3,
    3.93,
    0.99,
    2.32,
    66.8,
    12.1,
    2.26,
    0.84,
)
_LOG_BOUNDS = (math.log(1e-10), math.log(1e4))


@PROBLEMS.register
class LotkaVolterra(PopulationProblem):
    """Infer growth, hunting, death and feeding rates of prey and predators from their counts over time."""

    key = "lotka_volterra"
    title = "Prey and predators (Lotka-Volterra)"
    summary = "Four rates of prey and predators from ten noisy counts of each: a very narrow posterior."
    reference = "Lotka 1920, PNAS 6; Volterra 1926, Nature 118; Lueckmann et al. 2021, arXiv 2101.04653, T.10"
    locations = (-0.125, -3.0, -0.125, -3.0)
    scales = (0.5,) * 4

    @property
    def x(self) -> tuple[Variable, ...]:
        rates = (
            ("growth", "α", "Growth of the prey."),
            ("hunting", "β", "Loss of prey to one predator."),
            ("death", "γ", "Death of the predators."),
            ("feeding", "δ", "Growth of the predators by one prey."),
        )
        return tuple(Variable(name, s, "1/day", low=0.0, description=text) for name, s, text in rates)

    @property
    def y(self) -> tuple[Variable, ...]:
        return numbered("prey", "X", TIMES, low=0.0) + numbered("predators", "Y", TIMES, low=0.0)

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION, Capability.SIMULATE, Capability.LOG_JOINT})

    @property
    def observation_window(self) -> Window:
        return ((0.0, 250.0),) * TIMES + ((0.0, 350.0),) * TIMES

    @property
    def default_observation(self) -> tuple[float, ...]:
        return DEFAULT

    def figure(self, x: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Return orbits (n, 91, 2) in the plane of prey and predators, and the labels of their plot.

        Rows for which the solver fails are left out.
        """
        lines = self._log_populations(x.double(), POINTS_PER_INTERVAL).exp()
        return lines[~lines.isnan().flatten(1).any(1)], {
            "title": "Prey and predators",
            "horizontal_label": "prey",
            "vertical_label": "predators",
        }

    def observed_points(self, observation: Sequence[float]) -> list[tuple[float, float]]:
        """Return the observed counts as ten points (prey, predators), to plot over the orbits of `figure`."""
        return list(zip(observation[:TIMES], observation[TIMES:], strict=True))

    def _log_populations(self, x: Tensor, points: int = 1) -> Tensor:
        """Return log X and log Y (n, times, 2) at ``points`` times per interval between observations."""
        growth, hunting, death, feeding = x.T
        rates, pairs = torch.stack([growth, -death], 1), torch.stack([-hunting, feeding], 1)
        return log_populations(rates, pairs, START, INTERVAL / points, points * (TIMES - 1) + 1)

    def _log_medians(self, states: Tensor) -> Tensor:
        """Return the logarithms of the medians of y (n, 20) for log populations ``states`` (n, 10, 2)."""
        return states.transpose(1, 2).flatten(1).clamp(*_LOG_BOUNDS)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        medians = self._log_medians(self._log_populations(x.double()))
        return (medians + NOISE * normal(len(x), 2 * TIMES, generator).to(medians)).exp().to(x)

    def _log_likelihood(self, states: Tensor, y: Tensor) -> Tensor:
        possible = (y > 0).all(1)
        logs = torch.where(possible[:, None], y, 1.0).log()
        densities = -0.5 * ((logs - self._log_medians(states)) / NOISE).square() - logs
        constant = 2 * TIMES * math.log(NOISE * math.sqrt(2 * math.pi))
        return torch.where(possible, densities.sum(1) - constant, -math.inf)
