"""Truncated proposals: simulate anew in the region of this observation's posterior, and train again.

region    R = {x in the prior: log q(x | y) ≥ τ}, τ the ε-quantile of log q over its own draws; each region
          lies within the one before
round     draws of the prior that fall into R are simulated. With all earlier ones in R they are draws of the
          prior truncated to R, whose posterior given y is the old one as long as R holds it: no
          correction of the loss is needed, and the network that is trained on them is again a posterior.
density   where the prior's density p is known and hardly any of its draws fall into R, draws of the network
          in R are resampled with the weights p / q instead
gain      mean of log q_new(x | y, R) − log q_old(x | y, R) over pairs of the last round that no network has
          seen, with log q(x | y, R) = log q(x | y) − log q(R | y): an exact network gains nothing
limits    what an earlier round has cut away cannot come back, so that ε must be small
Source: Deistler, Gonçalves & Macke 2022, Truncated proposals for scalable and hassle-free simulation-based
        inference, arXiv 2210.04815.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.refinement.base import REFINEMENT, AmortisedPosterior, Gain, RefinedPosterior, Refinement
from workbench.refinement.prior_check import has_prior

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.problems.base import Samples

#: Draws of the network that define a region; draws of the prior per batch, and largest number of batches.
_REGION_DRAWS, _PRIOR_BATCH, _MOST_BATCHES = 10_000, 100_000, 400
#: Draws of the prior after which a known density takes over, if fewer than this share of a round fell into R;
#: and draws of the network for each simulation that is then resampled.
_PRIOR_DRAWS, _ENOUGH, _OVERSAMPLING = 1_000_000, 0.1, 20
#: Smallest number of the network's draws inside a region from which the next region can be defined.
_FEWEST_INSIDE = 100
#: Smallest number of a round's simulations on which its gain is measured; draws for each that measure the
#: share of a network in the region.
_FEWEST_UNSEEN, _SHARE_DRAWS = 30, 200
#: Margin of the box around the draws, as a fraction of its width. Most of the prior lies outside the box, and
#: needs no evaluation of the network.
_MARGIN = 0.1


@dataclass
class _Region:
    """Truncated support of the prior: log q ≥ τ for each network so far, inside a box (2, D)."""

    box: Tensor
    levels: list[tuple[AmortisedPosterior, float]]

    def contains(self, x: Tensor) -> Tensor:
        """Return a mask (n,) of the rows of x (n, D) inside the region."""
        inside = ((x >= self.box[0]) & (x <= self.box[1])).all(1)
        for posterior, level in self.levels:
            rows = inside.nonzero()[:, 0]
            if len(rows):
                inside[rows] = posterior.log_density(x[rows]) >= level
        return inside

    def intersect(self, amortised: AmortisedPosterior, epsilon: float, generator: torch.Generator) -> _Region:
        """Return the part of this region in which one more network has log q ≥ τ, its ε-quantile, as well."""
        x = amortised.draw(_REGION_DRAWS, generator)
        x = x[self.contains(x)]
        if len(x) < _FEWEST_INSIDE:
            raise DataError(
                "The network's draws do not lie in the prior",
                found=f"{len(x)} of {_REGION_DRAWS} draws",
                suggestion="train the network longer",
            )
        level = float(amortised.log_density(x).quantile(epsilon))
        low, high = x.min(0).values, x.max(0).values
        margin = _MARGIN * (high - low)
        box = torch.stack(
            [torch.maximum(self.box[0], low - margin), torch.minimum(self.box[1], high + margin)]
        )
        return _Region(box, [*self.levels, (amortised, level)])


@REFINEMENT.register
class TruncatedProposals(Refinement):
    """Rounds of truncating the prior to the posterior's region, simulating there, and training again."""

    key = "truncated"
    title = "Truncated proposals"
    summary = "Simulates anew in the part of the prior that the posterior leaves open, and trains there."
    reference = "Deistler, Gonçalves & Macke 2022, arXiv 2210.04815"
    needs_model = frozenset({Capability.DENSITY})
    needs_problem = frozenset({Capability.SIMULATE})

    rounds = param.Integer(2, bounds=(1, 20), doc="Rounds of simulation and training.")
    simulations = param.Integer(2000, bounds=(64, 1_000_000), doc="Simulations of each round.")
    epsilon = param.Number(
        1e-3,
        bounds=(1e-6, 0.1),
        doc="""
        Share of the network's draws that a round cuts off: the less, the safer, and the wider the region.""",
    )
    steps = param.Integer(
        0,
        bounds=(0, 100_000_000),
        doc="""
        Optimiser steps of each round; 0 takes as many as the run that is refined.""",
    )

    def _refusals(self, fitted: FittedModel, problem: Problem) -> list[str]:
        reasons = []
        if not has_prior(problem):
            reasons.append(
                f"{self.title} needs a problem whose unknowns can be drawn without simulating; "
                f"{problem.title} does not say how."
            )
        if "experiment" not in fitted.manifest:
            reasons.append(f"{self.title} needs a model that says how it was trained.")
        return reasons

    def _refine(self, amortised: AmortisedPosterior, generator: torch.Generator) -> RefinedPosterior:
        from workbench.problems.base import Samples

        start, problem = time.perf_counter(), amortised.problem
        low, high = ([getattr(v, side) for v in problem.x] for side in ("low", "high"))
        region = _Region(torch.tensor([low, high], dtype=torch.float64), [])
        pairs, current, warnings = _training_pairs(amortised), amortised, []
        simulations, share, fresh = 0, 1.0, None
        for number in range(self.rounds):
            region = region.intersect(current, self.epsilon, generator)
            x, share = self._propose(problem, region, generator, warnings)
            if len(x) < self.simulations:
                warnings.append(
                    f"Round {number + 1} was not simulated: only {len(x)} draws of the prior fell into "
                    f"its region, {share:.1g} of the prior."
                )
                break
            y = problem.simulate(x, generator)
            simulations += len(x)
            sound = y.isfinite().all(1)  # failed simulations are left out, as in the training
            x, y = x[sound], y[sound]
            unseen = max(_FEWEST_UNSEEN, len(x) // 10)
            fresh, x, y = Samples(x[:unseen], y[:unseen]), x[unseen:], y[unseen:]
            inside = region.contains(pairs.x)
            pairs = Samples(torch.cat([pairs.x[inside], x]), torch.cat([pairs.y[inside], y]))
            current = self._train(amortised, pairs, number)
        if fresh is None:
            raise DataError(
                "The posterior is too narrow to be reached by draws of the prior",
                found=warnings[-1],
                suggestion="refine with the joint density, where it is known",
            )
        improvement, error = _improvement(amortised, current, fresh, region, generator)
        if not (math.isfinite(improvement) and improvement >= 2 * error):  # nor where one is no number
            warnings.append(
                f"No gain was measured: {improvement:+.2f} ± {error:.2f} nats on {len(fresh)} pairs that no "
                "network has seen. Simulate more in each round, or keep the earlier posterior."
            )
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            acceptance=float("nan"),
            stages=1,
            simulations=simulations,
            prior_share=share,
            improvement=improvement,
            warnings=tuple(warnings),
        )
        return RefinedPosterior(
            _draws_inside(current, region, problem), amortised, gain, fitted=current.fitted
        )

    def _propose(
        self, problem: Problem, region: _Region, generator: torch.Generator, warnings: list[str]
    ) -> tuple[Tensor, float]:
        """Draw from the prior inside the region, enough for a round; return the region's prior mass too.

        Where the prior's density serves in place of its draws, a warning of too few different ones is added.
        """
        batches, count, total = [], 0, 0
        for _ in range(_MOST_BATCHES):
            x = problem.prior(_PRIOR_BATCH, generator)
            batches.append(x[region.contains(x)])
            count, total = count + len(batches[-1]), total + len(x)
            if count >= self.simulations:
                break
            rare = total >= _PRIOR_DRAWS and count < _ENOUGH * self.simulations
            if rare and Capability.LOG_PRIOR in problem.capabilities:
                return self._resample(problem, region, generator, warnings)
        return torch.cat(batches)[: self.simulations], count / total

    def _resample(
        self, problem: Problem, region: _Region, generator: torch.Generator, warnings: list[str]
    ) -> tuple[Tensor, float]:
        """Draw from the prior inside the region by resampling draws of the network with weights p / q."""
        from workbench.problems.ensemble_sampler import resample

        network, _ = region.levels[-1]
        x = network.draw(_OVERSAMPLING * self.simulations, generator)
        inside = x[region.contains(x)]
        log_weights = problem.log_prior(inside) - network.log_density(inside)
        size = float(torch.exp(2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)))
        if size < self.simulations:
            warnings.append(
                f"Only {size:.0f} of {self.simulations} parameter sets of a round count: few draws of the "
                "network have much of the prior."
            )
        share = float(log_weights.logsumexp(0).exp()) / len(x)
        return inside[resample(log_weights - log_weights.logsumexp(0), self.simulations, generator)], share

    def _train(self, amortised: AmortisedPosterior, pairs: Samples, number: int) -> AmortisedPosterior:
        """Train a new network on pairs (x, y); return its posterior at the same observation."""
        from workbench.training import Experiment, Run

        experiment = amortised.run.experiment if amortised.run else None
        experiment = experiment or Experiment.from_dict(amortised.fitted.manifest["experiment"])
        training = experiment.training.copy()
        training.set("samples", max(64, len(pairs)))
        changes = {"training": training, "seed": experiment.seed + number + 1}
        if self.steps:
            changes["steps"] = self.steps
        run = Run(experiment.replace(**changes), device=str(amortised.fitted.model.device), samples=pairs)
        for _ in run:
            amortised.callback()
        return AmortisedPosterior(
            run.fitted, amortised.problem, amortised.observation, run, callback=amortised.callback
        )


def _training_pairs(amortised: AmortisedPosterior) -> Samples:
    """Return the pairs that the run was trained on, in data units; none for a model without a run."""
    from workbench.problems.base import Samples

    if amortised.run is None:
        shapes = amortised.problem.shapes
        return Samples(torch.zeros(0, shapes.x).double(), torch.zeros(0, shapes.y).double())
    return amortised.run.data.pairs()


def _improvement(
    before: AmortisedPosterior,
    after: AmortisedPosterior,
    pairs: Samples,
    region: _Region,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Return the mean gain in log density on pairs inside the region, in nats, and its standard error.

    Both networks are compared as distributions on the region: without that an exact one would seem to gain
    the logarithm of the region's posterior probability.
    """
    new, old = (_log_density_within(a, pairs, region, generator) for a in (after, before))
    gains = new - old
    return float(gains.mean()), float(gains.std() / len(gains) ** 0.5)


def _log_density_within(
    amortised: AmortisedPosterior, pairs: Samples, region: _Region, generator: torch.Generator
) -> Tensor:
    """Return log q(x | y, R) (n,) of pairs inside the region R, each at its own observation."""
    fitted, count = amortised.fitted, len(pairs)
    seed = int(torch.randint(2**62, (1,), generator=generator))
    own = torch.Generator(device=fitted.model.device).manual_seed(seed)
    rows = pairs.y.repeat_interleave(_SHARE_DRAWS, 0)
    with torch.no_grad():
        log_density = fitted.log_prob(pairs.x, pairs.y).double().cpu()
        draws = fitted.sample(len(rows), rows.numpy(), own, within_bounds=False).double().cpu()
    inside = region.contains(draws).reshape(count, _SHARE_DRAWS).double().sum(1)
    return log_density - ((inside + 0.5) / (_SHARE_DRAWS + 1)).log()


def _draws_inside(
    amortised: AmortisedPosterior, region: _Region, problem: Problem
) -> Callable[[int, torch.Generator], Tensor]:
    """Return a function that draws from the last network inside the last region, its truncated prior."""
    has_density = Capability.LOG_PRIOR in problem.capabilities

    def draw(n: int, generator: torch.Generator) -> Tensor:
        batches, count = [], 0
        for _ in range(100):
            x = amortised.draw(max(n, 100), generator)
            x = x[region.contains(x)]
            batches.append(x[problem.log_prior(x).isfinite()] if has_density else x)
            count += len(batches[-1])
            if count >= n:
                return torch.cat(batches)[:n]
        raise DataError("The last network hardly draws anything inside its region", found=f"{count} draws")

    return draw
