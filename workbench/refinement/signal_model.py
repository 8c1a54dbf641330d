"""Local model of the noise-free signal: a few thousand exact signals, and a polynomial for all others.

table     points x_i with their exact signals s(x_i) and log densities; it begins with draws of the network
model     ŝ(x), a polynomial of degree 2 for each number of the signal, in decorrelated x; fitted by least
          squares with weights p(x_i, y)^(1/T), with the lowest T that leaves enough of them effective;
          p̂(x, y) is the joint density with ŝ in place of s
rounds    draws of the model's posterior at that T are added to the table, with exact signals; then the model
          is fitted again: T falls to 1 as the table gathers around the posterior
end       many draws x_j of the model's posterior, weighted by p(x_j, y) / p̂(x_j, y), exact and
          Pareto-smoothed; `sample` resamples by them. Where too few of them are effective, the model is
          fitted once more, to these as well, and draws are added
outside   the model is valid in one region A. Where the network has a density q, its draws outside A are
          weighted by p(x, y) / q(x | y); N draws of it estimate ∫ p̂ ≈ 1/N Σ p̂ / q, which gives both parts
          one scale (stratified importance sampling) and the evidence p(y)
The signal is nearly linear in x where its likelihood is not nearly normal: a polynomial of the signal, with
the exact distribution of the noise on top, is valid further than one of the log density.
Source: Sacks, Welch, Mitchell & Wynn 1989, Statistical Science 4 (models of computer experiments);
        Cappé, Guillin, Marin & Robert 2004, Population Monte Carlo, J. Comput. Graph. Stat. 13 (rounds and
        weights); Owen & Zhou 2000, Safe and Effective Importance Sampling, J. Am. Stat. Assoc. 95 (a proposal
        that leaves nothing out). Their combination: this project.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.refinement.base import REFINEMENT, AmortisedPosterior, Gain, RefinedPosterior, Refinement
from workbench.refinement.importance import tail_warnings
from workbench.refinement.weights import effective_size, importance_weights

if TYPE_CHECKING:
    from torch import Tensor

    class SignalProblem(Protocol):
        """A problem with the capability SIGNAL, as far as the model of the signal calls its methods."""

        def signals(self, x: Tensor) -> Tensor: ...

        def signal_numbers(self, signals: Tensor, y: Tensor) -> Tensor: ...

        def log_likelihood_of(self, numbers: Tensor, y: Tensor) -> Tensor: ...

        def log_prior(self, x: Tensor) -> Tensor: ...


#: Effective points that a fit needs for each of its coefficients, and at least; ridge penalty of the fit.
_ENOUGH, _LEAST, _RIDGE = 2.0, 60, 1e-3
#: Temperature of the draws that are added to the table, as a multiple of that of the fit.
_COOLING = 0.4
#: Region in which the model is valid: squared Mahalanobis distance from the table's mean below a + b D.
_REACH = (16.0, 3.0)
#: Share of effective draws above which the model is good enough.
_GOOD = 0.5
#: How often draws are added at the end, at most, while too few are effective.
_PASSES = 4
#: Smallest number of the network's draws with a positive prior density to start from.
_FEWEST = 30
#: Signals that are computed at once: a refinement can be stopped between two chunks.
_CHUNK = 500
#: Chunk of the network's draws in the search for draws outside the region, and how many of these are enough.
_NETWORK_CHUNK, _OUTSIDE_DRAWS = 2000, 400
#: Effective draws of the network for an estimate of ∫ p̂: the fewest, and the number that is enough.
_INTEGRAL_DRAWS = (30.0, 1000.0)


class _Model:
    """The polynomial ŝ(x) of the signal, fitted to a weighted table, and the joint density p̂(x, y) by it."""

    def __init__(
        self, problem: SignalProblem, y: Tensor, x: Tensor, numbers: Tensor, weights: Tensor
    ) -> None:
        self.problem, self.y = problem, y
        self.middle = weights @ x
        deviations = x - self.middle
        covariance = (deviations * weights[:, None]).T @ deviations
        covariance = covariance + 1e-9 * torch.diag(covariance.diagonal())
        self.factor = torch.linalg.cholesky(covariance)
        terms = self._terms(self._units(x))
        design = terms * weights[:, None]
        ridge = _RIDGE * torch.eye(terms.shape[1], dtype=x.dtype)
        ridge[0, 0] = 0.0
        self.coefficients = torch.linalg.solve(design.T @ terms + ridge, design.T @ numbers)

    def _units(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.factor, (x - self.middle).T, upper=False).T

    @staticmethod
    def _terms(u: Tensor) -> Tensor:
        first, second = torch.triu_indices(u.shape[1], u.shape[1])
        return torch.cat([torch.ones(len(u), 1).to(u), u, u[:, first] * u[:, second]], 1)

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p̂(x, y) (n,), with the polynomial as signal; −∞ outside the region of the model."""
        with torch.no_grad():
            numbers = self._terms(self._units(x)) @ self.coefficients
            values = self.problem.log_likelihood_of(numbers, self.y)
            values = values + self.problem.log_prior(x)
            return torch.where(self.in_region(x), values, -math.inf)

    def in_region(self, x: Tensor) -> Tensor:
        """Return a mask (n,) of the rows of x (n, D) for which the model is valid."""
        return self._units(x).square().sum(1) < _REACH[0] + _REACH[1] * x.shape[1]


class _Table:
    """Points with their exact signals as real numbers, and their exact log p(x, y)."""

    def __init__(
        self, problem: SignalProblem, y: Tensor, callback: Callable[[], None] = lambda: None
    ) -> None:
        self.problem, self.y, self._callback = problem, y, callback
        self.x = self.numbers = self.logs = torch.empty(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.x)

    def add(self, x: Tensor) -> Tensor:
        """Add the rows of x (n, D) that the prior allows; return the exact log p(x, y) of these."""
        with torch.no_grad():
            prior = self.problem.log_prior(x)
            x, prior = x[prior.isfinite()], prior[prior.isfinite()]
            if not len(x):
                return prior
            numbers = torch.cat([self._numbers(chunk) for chunk in x.split(_CHUNK)])
            logs = prior + self.problem.log_likelihood_of(numbers, self.y)
            rows = [(self.x, self.numbers, self.logs)] if len(self) else []
            rows.append((x, numbers, logs))
            self.x, self.numbers, self.logs = (torch.cat(parts) for parts in zip(*rows, strict=True))
            return logs

    def _numbers(self, x: Tensor) -> Tensor:
        self._callback()
        return self.problem.signal_numbers(self.problem.signals(x), self.y)

    def temperature(self, enough: float) -> float:
        """Return the lowest T ≥ 1 whose weights p^(1/T) leave ``enough`` points effective."""
        if effective_size(self.logs) >= enough:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if effective_size(middle * self.logs) >= enough else (low, middle)
        return 1 / max(low, 1e-9)


class _OutsideDraws(NamedTuple):
    """Draws x (k, D) of the network outside the region of the signal's model.

    ``logs`` (k,) are the logarithms of their contributions to p(y), ``log_integral`` is log ∫ p̂ with the
    model's density p̂, and ``effective`` the number of effective draws that estimate it.
    """

    x: Tensor
    logs: Tensor
    log_integral: float
    effective: float


@REFINEMENT.register
class SignalModel(Refinement):
    """Draws from a polynomial model of the signal near this observation, weighted by the exact density."""

    key = "signal_model"
    title = "Local model of the signal"
    summary = "A polynomial of the noise-free signal stands in for the simulator; exact weights correct it."
    reference = (
        "Sacks, Welch, Mitchell & Wynn 1989, Statistical Science 4; "
        "Cappé, Guillin, Marin & Robert 2004, J. Comput. Graph. Stat. 13"
    )
    needs_problem = frozenset({Capability.LOG_JOINT, Capability.SIGNAL})

    draws = param.Integer(
        4000,
        bounds=(100, 1_000_000),
        doc="""
        Draws of the model that are weighted at the end. The effective sample size grows in proportion.""",
    )
    effective = param.Integer(
        2000,
        bounds=(1, 1_000_000),
        doc="""
        Effective draws to reach: where there are fewer, up to five times as many draws are weighted.""",
    )
    first = param.Integer(
        600,
        bounds=(100, 1_000_000),
        doc="""
        Draws of the network in the first table of signals.""",
    )
    batch = param.Integer(
        200,
        bounds=(50, 100_000),
        doc="""
        Exact signals that each round computes.""",
    )
    rounds = param.Integer(
        20,
        bounds=(1, 1000),
        doc="""
        Rounds at most; they end when the model's weights leave half of its draws effective.""",
    )
    moves = param.Integer(
        60,
        bounds=(1, 10_000),
        doc="""
        Moves under the model before draws are taken from it; they cost next to nothing.""",
    )

    network_draws = param.Integer(
        20_000,
        bounds=(100, 10_000_000),
        doc="""
        Draws of the network, at most, in the search for draws outside the region of the model; the signal
        is computed for a few hundred of them. Needs a network with a density.""",
    )

    def _refine(self, amortised: AmortisedPosterior, generator: torch.Generator) -> RefinedPosterior:
        from workbench.problems.ensemble_sampler import resample

        start = time.perf_counter()
        table = _Table(amortised.problem, amortised.observation, amortised.callback)
        table.add(amortised.draw(self.first, generator))
        if len(table) < _FEWEST:
            raise DataError(
                "Hardly any draw of the network is possible at all", found=f"{len(table)} of {self.first}"
            )
        model, stages = self._approach(table, generator)
        model, x, ratio = self._final_draws(model, table, generator)
        evidence = effective = math.nan
        outside = self._outside_draws(model, table, amortised, generator) if amortised.has_density else None
        if outside is not None:
            effective = outside.effective
            ratio = torch.cat([ratio - math.log(len(x)) + outside.log_integral, outside.logs])
            x, evidence = torch.cat([x, outside.x]), float(ratio.logsumexp(0))
        weights = importance_weights(ratio)
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            len(x),
            weights.size,
            weights.pareto_k,
            stages=stages,
            evaluations=len(table),
            proposal="the model of the signal",
            log_evidence=evidence,
            log_evidence_error=math.hypot(weights.log_evidence_error, effective**-0.5),
            warnings=tail_warnings(weights.pareto_k, "the model of the signal"),
        )

        def draw(n: int, own: torch.Generator) -> Tensor:
            return x[resample(weights.log, n, own)]

        return RefinedPosterior(draw, amortised, gain, weighted=(x, weights.log))

    def _approach(self, table: _Table, generator: torch.Generator) -> tuple[_Model, int]:
        """Extend the table in rounds until the model is good enough; return it and the number of rounds."""
        stage = 0
        while stage < self.rounds:
            stage += 1
            temperature = table.temperature(self._enough(table))
            model = self._fit(table, temperature)
            x = self._model_draws(
                model,
                table,
                self.batch,
                max(1.0, _COOLING * temperature),
                generator,
                between=self.moves,
            )
            predictions = model.log_joint(x)
            ratio = table.add(x) - predictions
            if temperature == 1.0 and effective_size(ratio) > _GOOD * len(ratio):
                break
        return self._fit(table, table.temperature(self._enough(table))), stage

    def _final_draws(
        self, model: _Model, table: _Table, generator: torch.Generator
    ) -> tuple[_Model, Tensor, Tensor]:
        """Return the model, its draws x (n, D), and their log weights (n,).

        Where too few draws are effective, the model is fitted once more or draws are added.
        """
        x, ratio = self._weighted_draws(model, table, generator)
        if effective_size(ratio) >= self.effective:
            return model, x, ratio
        # these draws lie at the posterior: a model that is fitted to them as well is better there
        better = self._fit(table, table.temperature(self._enough(table)))
        better_x, better_ratio = self._weighted_draws(better, table, generator)
        if effective_size(better_ratio) > effective_size(ratio):
            model, x, ratio = better, better_x, better_ratio
        for _ in range(_PASSES):
            if effective_size(ratio) >= self.effective:
                break
            more = self._weighted_draws(model, table, generator)
            x, ratio = (torch.cat(parts) for parts in zip((x, ratio), more, strict=True))
        return model, x, ratio

    def _outside_draws(
        self, model: _Model, table: _Table, amortised: AmortisedPosterior, generator: torch.Generator
    ) -> _OutsideDraws | None:
        """Draw from the network outside the model's region; None where too few draws estimate ∫ p̂."""
        outside, densities, ratios, draws_searched, effective = [], [], [], 0, 0.0
        while (n := sum(map(len, ratios))) < self.network_draws and (
            effective < _INTEGRAL_DRAWS[1] or not draws_searched
        ):
            x = amortised.draw(min(_NETWORK_CHUNK, self.network_draws - n), generator)
            density = amortised.log_density(x)
            ratios.append(model.log_joint(x) - density)
            effective = effective_size(torch.cat(ratios))
            if not draws_searched:
                mask = ~model.in_region(x) & table.problem.log_prior(x).isfinite()
                outside.append(x[mask])
                densities.append(density[mask])
                draws_searched = n + len(x) if sum(map(len, outside)) >= _OUTSIDE_DRAWS else 0
        if not effective > _INTEGRAL_DRAWS[0]:
            return None
        x, ratio, n = torch.cat(outside), torch.cat(ratios), sum(map(len, ratios))
        logs = table.add(x) - torch.cat(densities) if len(x) else x.new_zeros(0)
        log_integral = float(ratio.logsumexp(0)) - math.log(n)
        return _OutsideDraws(x, logs - math.log(draws_searched or n), log_integral, effective)

    def _weighted_draws(
        self, model: _Model, table: _Table, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return draws (n, D) of the model's posterior and log weights log p(x, y) / p̂(x, y) (n,)."""
        x = self._model_draws(model, table, self.draws, 1.0, generator, between=max(1, self.moves // 3))
        x = x[table.problem.log_prior(x).isfinite()]
        return x, table.add(x) - model.log_joint(x)

    @staticmethod
    def _enough(table: _Table) -> float:
        """Return the number of effective points that a fit of the polynomial needs."""
        columns = table.x.shape[1]
        enough = max(_ENOUGH * (1 + columns + columns * (columns + 1) // 2), _LEAST)
        return min(enough, 0.5 * len(table))

    @staticmethod
    def _fit(table: _Table, temperature: float) -> _Model:
        weights = (table.logs / temperature).softmax(0)
        return _Model(table.problem, table.y, table.x, table.numbers, weights)

    def _model_draws(
        self,
        model: _Model,
        table: _Table,
        n: int,
        temperature: float,
        generator: torch.Generator,
        *,
        between: int,
    ) -> Tensor:
        """Return n draws of the model's posterior at a temperature, by moves from the table's points."""
        from workbench.problems.ensemble_sampler import resample
        from workbench.refinement.moves import WalkerEnsemble

        logs = model.log_joint(table.x)
        count = max(self.batch, 2 * table.x.shape[1] + 2)
        walkers = WalkerEnsemble(table.x[resample(logs / temperature, count, generator)], generator)
        states, sweeps = [], self.moves
        while sum(len(x) for x in states) < n:
            walkers.move(lambda x: model.log_joint(x) / temperature, sweeps)
            states.append(walkers.x)
            sweeps = between
        return torch.cat(states)[-n:]
