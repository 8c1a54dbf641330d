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
region    the model is valid in one region A, an ellipsoid. It first has the shape of the table, and so of the
          network's draws; while weighted draws lie near its edge, the model is fitted to these draws and A
          takes their shape. A warning says where they still do at the end.
outside   where the network has a density q, its draws outside A are weighted by p(x, y) / q(x | y); draws of
          a Student distribution of the shape of A estimate ∫ p̂, which gives both parts one scale
          (stratified importance sampling) and the evidence p(y)
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
from typing import TYPE_CHECKING, NamedTuple

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.refinement.base import REFINEMENT, AmortisedPosterior, Gain, RefinedPosterior, Refinement
from workbench.refinement.importance import tail_warnings
from workbench.refinement.local_signal import LocalModel, SignalTable
from workbench.refinement.prior_check import PRIOR_CHECK, missing_mode_warnings
from workbench.refinement.weights import effective_size, importance_weights

if TYPE_CHECKING:
    from torch import Tensor

#: Effective points that a fit needs for each of its coefficients, and at least.
_ENOUGH, _LEAST = 2.0, 60
#: Temperature of the draws that are added to the table, as a multiple of that of the fit.
_COOLING = 0.4
#: Near the edge is what lies beyond this share of the largest squared distance; largest weight that may lie
#: there; and how often the region takes the shape of the weighted draws, at most.
_EDGE, _EDGE_WEIGHT, _WIDENINGS = 0.7, 0.03, 5
#: Fewest effective draws for an estimate of ∫ p̂.
_FEWEST_EFFECTIVE = 30.0
#: Share of effective draws above which the model is good enough.
_GOOD = 0.5
#: How often draws are added at the end, at most, while too few are effective.
_PASSES = 4
#: Smallest number of the network's draws with a positive prior density to start from.
_FEWEST = 30
#: Chunk of the network's draws in the search for draws outside the region, and how many of these are enough.
_NETWORK_CHUNK, _OUTSIDE_DRAWS = 2000, 400


class _OutsideDraws(NamedTuple):
    """Draws x (k, D) of the network outside the region of the signal's model.

    ``logs`` (k,) are the logarithms of their contributions to p(y).
    """

    x: Tensor
    logs: Tensor


def _edge_weight(model: LocalModel, x: Tensor, ratio: Tensor) -> float:
    """Return the share of the weight of draws x (n, D) with log weights (n,) near the edge of the region."""
    return float(ratio.softmax(0)[model.distance(x) > _EDGE].sum())


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

        start, before = time.perf_counter(), amortised.evaluations
        table = SignalTable(amortised.problem, amortised.observation, amortised.callback)
        table.add(amortised.draw(self.first, generator))
        if len(table) < _FEWEST:
            raise DataError(
                "Hardly any draw of the network is possible at all", found=f"{len(table)} of {self.first}"
            )
        model, stages = self._approach(table, generator)
        model, x, ratio = self._final_draws(model, table, generator)
        warnings = self._region_warnings(model, x, ratio)
        evidence, error = math.nan, math.nan
        if not amortised.has_density:
            warnings.append(
                "The network has no density: its draws outside the region of the model are left out, and the "
                "evidence is not known."
            )
        else:
            log_integral, effective = model.log_integral(generator)
            if effective > _FEWEST_EFFECTIVE:
                outside = self._outside_draws(model, table, amortised, generator)
                ratio = torch.cat([ratio - math.log(len(x)) + log_integral, outside.logs])
                x, evidence = torch.cat([x, outside.x]), float(ratio.logsumexp(0))
                error = effective**-0.5
            else:
                warnings.append(
                    "The evidence is not known, and draws of the network outside the region of the model are "
                    f"left out: the integral of the model's density rests on {effective:.0f} draws."
                )
        weights = importance_weights(ratio)
        if math.isfinite(evidence):
            error = math.hypot(weights.log_evidence_error, error)
            # signals are expensive: the check takes at most as many as the refinement
            most = min(len(table), PRIOR_CHECK)
            warnings.extend(missing_mode_warnings(amortised, evidence, error, generator, most))
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            len(x),
            weights.size,
            weights.pareto_k,
            stages=stages,
            evaluations=len(table) + amortised.evaluations - before,
            proposal="the model of the signal",
            log_evidence=evidence,
            log_evidence_error=error,
            warnings=(*tail_warnings(weights.pareto_k, "the model of the signal"), *warnings),
        )

        def draw(n: int, own: torch.Generator) -> Tensor:
            return x[resample(weights.log, n, own)]

        return RefinedPosterior(draw, amortised, gain, weighted=(x, weights.log))

    def _approach(self, table: SignalTable, generator: torch.Generator) -> tuple[LocalModel, int]:
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
        self, model: LocalModel, table: SignalTable, generator: torch.Generator
    ) -> tuple[LocalModel, Tensor, Tensor]:
        """Return the model, its draws x (n, D), and their log weights (n,).

        While draws with much weight lie near the edge of the model's region, the region takes their shape.
        Where too few draws are effective, the model is fitted once more or draws are added.
        """
        x, ratio = self._weighted_draws(model, table, generator)
        for _ in range(_WIDENINGS):
            if _edge_weight(model, x, ratio) <= _EDGE_WEIGHT:
                break
            # the last rows of the table are these draws
            numbers = table.numbers[-len(x) :]
            model = LocalModel(table.problem, table.y, x, numbers, ratio.softmax(0))
            x, ratio = self._weighted_draws(model, table, generator)
        if effective_size(ratio) >= self.effective:
            return model, x, ratio
        # these draws lie at the posterior: a model that is fitted to them as well is better there
        better = self._fit(table, table.temperature(self._enough(table)))
        better_x, better_ratio = self._weighted_draws(better, table, generator)
        reaches = _edge_weight(better, better_x, better_ratio) <= _EDGE_WEIGHT
        if reaches and effective_size(better_ratio) > effective_size(ratio):
            model, x, ratio = better, better_x, better_ratio
        for _ in range(_PASSES):
            if effective_size(ratio) >= self.effective:
                break
            more = self._weighted_draws(model, table, generator)
            x, ratio = (torch.cat(parts) for parts in zip((x, ratio), more, strict=True))
        return model, x, ratio

    def _outside_draws(
        self, model: LocalModel, table: SignalTable, amortised: AmortisedPosterior, generator: torch.Generator
    ) -> _OutsideDraws:
        """Draw from the network until enough of its draws lie outside the model's region."""
        outside: list[Tensor] = []
        count = 0
        while count < self.network_draws and sum(map(len, outside)) < _OUTSIDE_DRAWS:
            x = amortised.draw(min(_NETWORK_CHUNK, self.network_draws - count), generator)
            count += len(x)
            outside.append(x[~model.in_region(x) & table.problem.log_prior(x).isfinite()])
        x = torch.cat(outside)
        logs = table.add(x) - amortised.log_density(x) if len(x) else x.new_zeros(0)
        return _OutsideDraws(x, logs - math.log(count))

    @staticmethod
    def _region_warnings(model: LocalModel, x: Tensor, ratio: Tensor) -> list[str]:
        """Report how much weight lies near the edge of the model's region, where that is too much."""
        weight = _edge_weight(model, x, ratio)
        if weight <= _EDGE_WEIGHT:
            return []
        return [
            f"The posterior may be cut off: {100 * weight:.0f} % of the weight lies near the edge of the "
            "region in which the model of the signal holds. Take the markov_chain method, or train the "
            "network longer."
        ]

    def _weighted_draws(
        self, model: LocalModel, table: SignalTable, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return draws (n, D) of the model's posterior and log weights log p(x, y) / p̂(x, y) (n,)."""
        x = self._model_draws(model, table, self.draws, 1.0, generator, between=max(1, self.moves // 3))
        x = x[table.problem.log_prior(x).isfinite()]
        return x, table.add(x) - model.log_joint(x)

    @staticmethod
    def _enough(table: SignalTable) -> float:
        """Return the number of effective points that a fit of the polynomial needs."""
        columns = table.x.shape[1]
        enough = max(_ENOUGH * (1 + columns + columns * (columns + 1) // 2), _LEAST)
        return min(enough, 0.5 * len(table))

    @staticmethod
    def _fit(table: SignalTable, temperature: float) -> LocalModel:
        weights = (table.logs / temperature).softmax(0)
        return LocalModel(table.problem, table.y, table.x, table.numbers, weights)

    def _model_draws(
        self,
        model: LocalModel,
        table: SignalTable,
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
