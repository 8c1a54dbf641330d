"""A local model of the noise-free signal: the simulator is asked a few thousand times, the model the rest.

table     places x_i with their exact signals s(x_i) and log densities; it begins with draws of the network
model     ŝ(x), a polynomial of degree 2 for each number of the signal, in x made uncorrelated; fitted by
          least squares with weights p(x_i, y)^(1/T), T as low as leaves enough of them effective
rounds    draws of the model's posterior at that T go into the table, exact; then the model is fitted again:
          T falls to 1 as the table gathers where the posterior is
end       many draws x_j of the model's posterior, weighed by p(x_j, y) / p̂(x_j, y), exact and
          Pareto-smoothed; `sample` resamples by them. Where too few of them are effective, the model is
          fitted once more, to these as well, and draws are added
beyond    the model is believed in one region A. Where the network has a density q, its draws outside A are
          weighed by p(x, y) / q(x | y); N draws of it tell ∫ p̂ ≈ 1/N Σ p̂ / q, by which both parts have one
          scale (stratified importance sampling) and the evidence p(y) is known
The signal is nearly linear in x where its likelihood is not nearly normal: a polynomial of the signal, with
the exact law of the noise on top, holds more than one of the log density.
Source: Sacks, Welch, Mitchell & Wynn 1989, Statistical Science 4 (models of computer experiments);
        Cappé, Guillin, Marin & Robert 2004, Population Monte Carlo, J. Comput. Graph. Stat. 13 (rounds and
        weights); Owen & Zhou 2000, Safe and Effective Importance Sampling, J. Am. Stat. Assoc. 95 (a proposal
        that leaves nothing out). Putting them together is ours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import param
import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.problems.ensemble_sampler import resample
from workbench.refinement.base import REFINEMENT, Amortised, Gain, RefinedPosterior, Refinement
from workbench.refinement.importance import warnings
from workbench.refinement.moves import Crowd
from workbench.refinement.weights import weigh

#: Effective points of the fit for each of its coefficients, their least number; the ridge that steadies it.
_ENOUGH, _LEAST, _RIDGE = 2.0, 60, 1e-3
#: Draws for the table are taken this much colder than the points that the model was fitted to.
_AHEAD = 0.4
#: How far from the table's middle the model is believed: a + b D in squared standard deviations.
_REACH = (16.0, 3.0)
#: Share of effective weights from which the model is good enough.
_GOOD = 0.5
#: How often draws are added at the end, where too few are effective.
_PASSES = 4
_FEWEST = 30
#: Signals that are computed at once: between two parts the work can be stopped.
_PART = 500
#: Draws of the network at once, when those outside the region are looked for, and how many of them will do.
_AT_ONCE, _STRAYS = 2000, 400
#: Effective draws of the network that tell the integral of the model: the fewest, and enough.
_TOLD = (30.0, 1000.0)


class _Model:
    """ŝ(x) about a weighted table, and the log density that follows from it."""

    def __init__(self, problem, y: Tensor, x: Tensor, numbers: Tensor, weights: Tensor) -> None:
        self.problem, self.y = problem, y
        self.middle = weights @ x
        apart = x - self.middle
        covariance = (apart * weights[:, None]).T @ apart
        covariance = covariance + 1e-9 * torch.diag(covariance.diagonal())
        self.factor = torch.linalg.cholesky(covariance)
        terms = self._terms(self._units(x))
        weighted = terms * weights[:, None]
        ridge = _RIDGE * torch.eye(terms.shape[1], dtype=x.dtype)
        ridge[0, 0] = 0.0
        self.coefficients = torch.linalg.solve(weighted.T @ terms + ridge, weighted.T @ numbers)

    def _units(self, x: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.factor, (x - self.middle).T, upper=False).T

    @staticmethod
    def _terms(u: Tensor) -> Tensor:
        first, second = torch.triu_indices(u.shape[1], u.shape[1])
        return torch.cat([torch.ones(len(u), 1).to(u), u, u[:, first] * u[:, second]], 1)

    @torch.no_grad()
    def log_joint(self, x: Tensor) -> Tensor:
        """log p̂(x, y) (n,); nothing is possible where the model is not believed."""
        found = self.problem.log_likelihood_of(self._terms(self._units(x)) @ self.coefficients, self.y)
        found = found + self.problem.log_prior(x)
        return torch.where(self.believed(x), found, -math.inf)

    def believed(self, x: Tensor) -> Tensor:
        """Whether rows of x (n, D) lie in the region that is modelled (n,)."""
        return self._units(x).square().sum(1) < _REACH[0] + _REACH[1] * x.shape[1]


def _effective(logs: Tensor) -> float:
    """How many of weights with these logarithms count."""
    return float(torch.exp(2 * logs.logsumexp(0) - (2 * logs).logsumexp(0)))


class _Table:
    """Places, their signals as numbers and their exact log densities."""

    def __init__(self, problem, y: Tensor, alive: Callable[[], None] = lambda: None) -> None:
        self.problem, self.y, self._alive = problem, y, alive
        self.x = self.numbers = self.logs = None

    def __len__(self) -> int:
        return 0 if self.x is None else len(self.x)

    @torch.no_grad()
    def add(self, x: Tensor) -> Tensor:
        """Adds what of x (n, D) the prior can make; its exact log p(x, y)."""
        prior = self.problem.log_prior(x)
        x, prior = x[prior.isfinite()], prior[prior.isfinite()]
        if not len(x):
            return prior
        numbers = torch.cat([self._numbers(part) for part in x.split(_PART)])
        logs = prior + self.problem.log_likelihood_of(numbers, self.y)
        before = () if self.x is None else ((self.x, self.numbers, self.logs),)
        parts = (*before, (x, numbers, logs))
        self.x, self.numbers, self.logs = (torch.cat(part) for part in zip(*parts, strict=True))
        return logs

    def _numbers(self, x: Tensor) -> Tensor:
        self._alive()
        return self.problem.signal_numbers(self.problem.signals(x), self.y)

    def temperature(self, enough: float) -> float:
        """The lowest T ≥ 1 whose weights p^(1/T) leave ``enough`` points effective."""

        def size(power: float) -> float:
            return _effective(power * self.logs)

        if size(1.0) >= enough:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if size(middle) >= enough else (low, middle)
        return 1 / max(low, 1e-9)


@REFINEMENT.register
class SignalModel(Refinement):
    """Draws of a model of the signal that is made for this observation, with exact weights."""

    key = "signal_model"
    title = "Local model of the signal"
    summary = "A polynomial of the noise-free signal stands in for the simulator; exact weights mend it."
    reference = (
        "Sacks, Welch, Mitchell & Wynn 1989, Statistical Science 4; "
        "Cappé, Guillin, Marin & Robert 2004, J. Comput. Graph. Stat. 13"
    )
    needs_problem = frozenset({Capability.LOG_JOINT, Capability.SIGNAL})

    draws = param.Integer(
        4000,
        bounds=(100, 1_000_000),
        doc="""
        Draws of the model that are weighed at the end. More draws are worth more, in proportion.""",
    )
    effective = param.Integer(
        2000,
        bounds=(1, 1_000_000),
        doc="""
        Effective draws that are asked for: where there are fewer, up to five times as many are weighed.""",
    )
    first = param.Integer(
        600,
        bounds=(100, 1_000_000),
        doc="""
        Draws of the network that it begins with.""",
    )
    batch = param.Integer(
        200,
        bounds=(50, 100_000),
        doc="""
        Signals that each round adds.""",
    )
    rounds = param.Integer(
        20,
        bounds=(1, 1000),
        doc="""
        Rounds at most; it stops when the model's weights leave half of its draws effective.""",
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
        Draws of the network, at most, among which those outside the modelled region are looked for; the
        signal is computed for a few hundred of them. Needs a network with a density.""",
    )

    def _refine(self, amortised: Amortised, generator) -> RefinedPosterior:
        start = time.perf_counter()
        problem, y = amortised.problem, amortised.observation
        table = _Table(problem, y, amortised.alive)
        table.add(amortised.draw(self.first, generator))
        if len(table) < _FEWEST:
            raise DataError(
                "Hardly any draw of the network is possible at all", found=f"{len(table)} of {self.first}"
            )
        model, stages = self._approach(table, generator)
        x, ratio = self._weighed(model, table, generator)
        if _effective(ratio) < self.effective:
            # the draws are where the posterior is: a model of all that is known there is a better one
            again = self._model(table, table.temperature(self._enough(table)))
            found = self._weighed(again, table, generator)
            if _effective(found[1]) > _effective(ratio):
                model, (x, ratio) = again, found
            for _ in range(_PASSES):
                if _effective(ratio) >= self.effective:
                    break
                more = self._weighed(model, table, generator)
                x, ratio = (torch.cat(parts) for parts in zip((x, ratio), more, strict=True))
        evidence = told = math.nan
        strays = self._strays(model, table, amortised, generator) if amortised.has_density else None
        if strays is not None:
            beyond, logs, integral, told = strays
            ratio = torch.cat([ratio - math.log(len(x)) + integral, logs])
            x, evidence = torch.cat([x, beyond]), float(ratio.logsumexp(0))
        weights = weigh(ratio)
        gain = Gain(
            self.key, time.perf_counter() - start, len(x), weights.size, weights.pareto_k, stages=stages,
            evaluations=len(table), proposal="the model of the signal", log_evidence=evidence,
            log_evidence_error=math.hypot(weights.log_evidence_error, told**-0.5),
            warnings=warnings(weights.pareto_k, "the model of the signal"),
        )  # fmt: skip

        def draw(n, own):
            return x[resample(weights.log, n, own)]

        return RefinedPosterior(draw, amortised, gain, weighted=(x, weights.log))

    def _strays(self, model: _Model, table: _Table, amortised: Amortised, generator):
        """Draws of the network outside the model's region (k, D), the logarithms of what each counts
        towards p(y), (k,), log ∫ p̂, and how many effective draws tell it; None where they are too few."""
        beyond, ratios, known, looked, told = [], [], [], 0, 0.0
        while (n := sum(map(len, known))) < self.network_draws and (told < _TOLD[1] or not looked):
            x = amortised.draw(min(_AT_ONCE, self.network_draws - n), generator)
            density = amortised.log_density(x)
            known.append(model.log_joint(x) - density)
            told = _effective(torch.cat(known))
            if not looked:
                out = ~model.believed(x) & table.problem.log_prior(x).isfinite()
                beyond.append(x[out])
                ratios.append(density[out])
                looked = n + len(x) if sum(map(len, beyond)) >= _STRAYS else 0
        if not told > _TOLD[0]:
            return None
        known, x, n = torch.cat(known), torch.cat(beyond), sum(map(len, known))
        logs = table.add(x) - torch.cat(ratios) if len(x) else x.new_zeros(0)
        return x, logs - math.log(looked or n), float(known.logsumexp(0)) - math.log(n), told

    def _weighed(self, model: _Model, table: _Table, generator) -> tuple[Tensor, Tensor]:
        """Draws (n, D) of the model's posterior and log p(x, y) / p̂(x, y) (n,)."""
        x = self._drawn(model, table, self.draws, 1.0, generator, between=max(1, self.moves // 3))
        x = x[table.problem.log_prior(x).isfinite()]
        return x, table.add(x) - model.log_joint(x)

    @staticmethod
    def _enough(table: _Table) -> float:
        """Effective points that a fit asks for."""
        columns = table.x.shape[1]
        enough = max(_ENOUGH * (1 + columns + columns * (columns + 1) // 2), _LEAST)
        return min(enough, 0.5 * len(table))

    def _approach(self, table: _Table, generator) -> tuple[_Model, int]:
        """Rounds until the model is good enough; the model, and how many they were."""
        stage = 0
        while stage < self.rounds:
            stage += 1
            heat = table.temperature(self._enough(table))
            model = self._model(table, heat)
            colder = max(1.0, _AHEAD * heat)
            x = self._drawn(model, table, self.batch, colder, generator, between=self.moves)
            guessed = model.log_joint(x)
            ratio = table.add(x) - guessed
            if heat == 1.0 and _effective(ratio) > _GOOD * len(ratio):
                break
        return self._model(table, table.temperature(self._enough(table))), stage

    def _model(self, table: _Table, heat: float) -> _Model:
        weights = (table.logs / heat).softmax(0)
        return _Model(table.problem, table.y, table.x, table.numbers, weights)

    def _drawn(self, model: _Model, table: _Table, n: int, heat: float, generator, *, between: int) -> Tensor:
        """n draws of the model's posterior at a temperature, by moves from the table's points."""
        logs = model.log_joint(table.x)
        count = max(self.batch, 2 * table.x.shape[1] + 2)
        crowd = Crowd(table.x[resample(logs / heat, count, generator)], generator)
        kept, sweeps = [], self.moves
        while sum(len(x) for x in kept) < n:
            crowd.move(lambda x: model.log_joint(x) / heat, sweeps)
            kept.append(crowd.x)
            sweeps = between
        return torch.cat(kept)[-n:]
