"""A neuron that fires or not at each of a hundred times, driven by a known noisy stimulus.

Prior:      x = (offset, filter of nine lags) ~ N(0, P⁻¹): P has 1/2 for the offset and FᵀF for the filter,
            F = D D + diag √(i/9), i = 0 … 8, D the first differences: neighbouring lags are alike.
Simulator:  spike_t ~ Bernoulli(σ(X x)_t), t = 1 … 100; X = [1, stimulus at lags 0 … 8], the stimulus fixed
            standard normal numbers.
Observed:   y = Xᵀ spikes (the number of spikes, and sums of the stimulus before spikes), which is a
            sufficient statistic, or all the spikes.
Joint:      log p(x) + y · x - Σ_t softplus(X x)_t: a density in x and a probability in y. No two spike trains
            share a y, since the stimulus is made of continuous numbers.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

TIMES, LAGS = 100, 9
# drawn at one x of the prior
DEFAULT_SPIKES = (
    "1111111111111000000000000000000000010000000000000000000111011010000111111110110000000000010111000000"
)
# the stimulus of the benchmark, so that published observations and posteriors are those of this problem
_STIMULUS_SEED = 42


@lru_cache(maxsize=1)
def _design() -> np.ndarray:
    """Return the design matrix X (100, 10) of offset and lagged stimulus, float64."""
    # rounded to float32 as in the benchmark
    stimulus = np.random.RandomState(_STIMULUS_SEED).randn(TIMES).astype(np.float32).astype(np.float64)
    matrix = np.zeros((TIMES, 1 + LAGS))
    matrix[:, 0] = 1.0
    for lag in range(LAGS):
        matrix[lag:, 1 + lag] = stimulus[: TIMES - lag]
    return matrix


@lru_cache(maxsize=1)
def _precision() -> np.ndarray:
    """Return the prior precision P (10, 10), float64."""
    difference = np.eye(LAGS) - np.eye(LAGS, k=-1)
    root = difference @ difference + np.diag(np.sqrt(np.arange(LAGS) / LAGS))
    precision = np.zeros((1 + LAGS, 1 + LAGS))
    precision[0, 0] = 0.5
    precision[1:, 1:] = root.T @ root
    return precision


@lru_cache(maxsize=1)
def design() -> Tensor:
    """Return the design matrix X (100, 10), float64: a column of ones, then the stimulus at each lag."""
    return torch.from_numpy(_design())


@lru_cache(maxsize=1)
def precision_factor() -> Tensor:
    """Return the lower Cholesky factor (10, 10) of the prior precision P, float64."""
    return torch.linalg.cholesky(torch.from_numpy(_precision()))


@PROBLEMS.register
class BernoulliGLM(Problem):
    """Infer offset and filter of a neuron, a generalised linear model (GLM), from its spikes."""

    key = "bernoulli_glm"
    title = "Spiking neuron (Bernoulli GLM)"
    summary = "Offset and filter of a neuron from its spikes under a known stimulus."
    reference = "Polson, Scott & Windle 2013, arXiv 1205.0310; Lueckmann et al. 2021, arXiv 2101.04653, T.5"

    observed = param.Selector(
        default="statistics",
        objects=["statistics", "spikes"],
        doc="What is observed: ten sufficient statistics, or the spike train of a hundred numbers.",
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        offset = Variable("offset", "b", description="Log odds of a spike without stimulus.")
        return (offset, *numbered("filter", "f", LAGS, description="Weight of the stimulus at one lag."))

    @property
    def y(self) -> tuple[Variable, ...]:
        if self.observed == "spikes":
            return numbered("spike", "s", TIMES, low=0.0, high=1.0)
        count = Variable("spikes", "n", low=0.0, high=float(TIMES), description="Number of spikes.")
        return (count, *numbered("triggered", "y", LAGS, description="Stimulus summed over the spikes."))

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset(
            {Capability.OBSERVATION, Capability.SIMULATE, Capability.LOG_JOINT, Capability.FULL_SUPPORT}
        )

    @property
    def window(self) -> Window:
        scales = np.sqrt(np.linalg.inv(_precision()).diagonal())
        return tuple((-3 * s, 3 * s) for s in scales.tolist())

    @property
    def observation_window(self) -> Window:
        if self.observed == "spikes":
            return ((-0.25, 1.25),) * TIMES
        return ((-2.0, 102.0),) + ((-35.0, 25.0),) * LAGS

    @property
    def default_observation(self) -> tuple[float, ...]:
        spikes = np.array([float(mark) for mark in DEFAULT_SPIKES])
        return tuple((spikes if self.observed == "spikes" else spikes @ _design()).tolist())

    def figure(self, x: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """Return filters as lines (n, 9, 2), weight over lag, and the title and axis labels of their plot."""
        lag = torch.arange(LAGS, dtype=x.dtype).expand(len(x), LAGS)
        return torch.stack([lag, x[:, 1:]], -1), {
            "title": "Filter",
            "horizontal_label": "lag [bin]",
            "vertical_label": "weight",
            "function": True,
        }

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.linalg.solve_triangular(
            precision_factor().T, normal(n, 1 + LAGS, generator).T, upper=True
        ).T.contiguous()

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        chance = torch.sigmoid(x.detach().double().cpu() @ design().T)
        spikes = torch.bernoulli(chance, generator=generator)
        return (spikes if self.observed == "spikes" else spikes @ design()).to(x)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        matrix = design().to(x)
        statistics = y @ matrix if self.observed == "spikes" else y
        factor = precision_factor().to(x)
        prior = factor.diagonal().log().sum() - 0.5 * (
            (x @ factor).square().sum(1) + (1 + LAGS) * math.log(2 * math.pi)
        )
        drive = x @ matrix.T
        return prior + (statistics * x).sum(1) - torch.nn.functional.softplus(drive).sum(1)
