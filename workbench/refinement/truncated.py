"""Truncated proposals: simulate anew where the posterior of this observation can be, and train again there.

region    R = {x in the prior: log q(x | y) ≥ τ}, τ the ε-quantile of log q over its own draws; each region
          lies within the one before
round     draws of the prior that fall into R are simulated. With all earlier ones in R they are draws of the
          prior cut off at R, whose posterior given y is the old one as long as R holds it: no correction of
          the loss is needed, and the network that is trained on them is again a posterior.
limits    what an earlier round has cut away cannot come back: ε is small
Source: Deistler, Gonçalves & Macke 2022, Truncated proposals for scalable and hassle-free simulation-based
        inference, arXiv 2210.04815.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import param
import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.problems.base import Problem, Samples
from workbench.refinement.base import REFINEMENT, Amortised, Gain, RefinedPosterior, Refinement
from workbench.training import Experiment, Run

_LOOKED_AT, _PRIOR_BATCH, _MOST_BATCHES = 10_000, 100_000, 400
#: The box around the draws, which spares the network most of the prior, is this much wider than they are.
_MARGIN = 0.1
_FRESH_SHARE = 0.1


@dataclass
class _Region:
    """Where log q ≥ τ for each network so far, inside a box (2, D)."""

    box: Tensor
    levels: list[tuple[Amortised, float]]

    def holds(self, x: Tensor) -> Tensor:
        """Whether each x (n, D) lies in it."""
        inside = ((x >= self.box[0]) & (x <= self.box[1])).all(1)
        for amortised, level in self.levels:
            rows = inside.nonzero()[:, 0]
            if len(rows):
                inside[rows] = amortised.log_density(x[rows]) >= level
        return inside

    def narrowed(self, amortised: Amortised, epsilon: float, generator) -> _Region:
        """What is left of it under one more network."""
        x = amortised.draw(_LOOKED_AT, generator)
        x = x[self.holds(x)]
        if len(x) < 100:
            raise DataError(
                "The network's draws do not lie in the prior",
                found=f"{len(x)} of {_LOOKED_AT} draws",
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
    """A few rounds: cut the prior off where the posterior is not, simulate there, train again."""

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

    def _refusals(self, fitted, problem) -> list[str]:
        found = []
        if type(problem)._prior is Problem._prior:
            found.append(
                f"{self.title} needs a problem whose unknowns can be drawn without simulating; "
                f"{problem.title} does not say how."
            )
        if "experiment" not in fitted.manifest:
            found.append(f"{self.title} needs a model that says how it was trained.")
        return found

    def _refine(self, amortised: Amortised, generator) -> RefinedPosterior:
        start, problem = time.perf_counter(), amortised.problem
        low, high = ([getattr(v, side) for v in problem.x] for side in ("low", "high"))
        region = _Region(torch.tensor([low, high], dtype=torch.float64), [])
        known, current, told = _simulated(amortised), amortised, []
        simulations, share, fresh = 0, 1.0, None
        for number in range(self.rounds):
            region = region.narrowed(current, self.epsilon, generator)
            x, share = self._propose(problem, region, generator)
            if len(x) < self.simulations:
                told.append(
                    f"Round {number + 1} was not simulated: only {len(x)} draws of the prior fell into "
                    f"its region, {share:.1g} of the prior."
                )
                break
            y = problem.simulate(x, generator)
            simulations += len(x)
            fresh = Samples(x, y)
            inside = region.holds(known.x)
            known = Samples(torch.cat([known.x[inside], x]), torch.cat([known.y[inside], y]))
            current = self._train(amortised, known, number)
        if fresh is None:
            raise DataError(
                "The posterior is too narrow to be reached by draws of the prior",
                found=told[-1],
                suggestion="refine with the joint density, where it is known",
            )
        gain = Gain(
            self.key,
            time.perf_counter() - start,
            acceptance=float("nan"),
            stages=1,
            simulations=simulations,
            prior_share=share,
            improvement=_improvement(amortised, current, fresh),
            warnings=tuple(told),
        )
        return RefinedPosterior(_inside(current, region), amortised, gain, fitted=current.fitted)

    def _propose(self, problem, region: _Region, generator) -> tuple[Tensor, float]:
        """Draws of the prior inside the region, as many as a round simulates, and the region's prior mass."""
        kept, found, tried = [], 0, 0
        for _ in range(_MOST_BATCHES):
            x = problem.prior(_PRIOR_BATCH, generator)
            kept.append(x[region.holds(x)])
            found, tried = found + len(kept[-1]), tried + len(x)
            if found >= self.simulations:
                break
        return torch.cat(kept)[: self.simulations], found / tried

    def _train(self, amortised: Amortised, known: Samples, number: int) -> Amortised:
        """A new network on the pairs that are known, held-out fresh ones apart from them."""
        experiment = amortised.run.experiment if amortised.run else None
        experiment = experiment or Experiment.from_dict(amortised.fitted.manifest["experiment"])
        training = experiment.training.copy()
        training.set("samples", max(64, len(known)))
        changes = {"training": training, "seed": experiment.seed + number + 1}
        if self.steps:
            changes["steps"] = self.steps
        run = Run(experiment.replace(**changes), device=str(amortised.fitted.model.device), samples=known)
        for _ in run:
            amortised.alive()
        return Amortised(run.fitted, amortised.problem, amortised.observation, run, alive=amortised.alive)


def _simulated(amortised: Amortised) -> Samples:
    """The pairs that the run was trained on, in data units; none where there is only a model."""
    if amortised.run is None:
        shapes = amortised.problem.shapes
        return Samples(torch.zeros(0, shapes.x).double(), torch.zeros(0, shapes.y).double())
    return amortised.run.data.pairs()


def _improvement(before: Amortised, after: Amortised, fresh: Samples) -> float:
    """Mean log q_after − log q_before, in nats, on the last round's simulations that were held out."""
    held_out = after.run.data.pairs(held_out=True)
    with torch.no_grad():
        old, new = (a.fitted.log_prob(held_out.x, held_out.y).double().mean() for a in (before, after))
    return float(new - old)


def _inside(amortised: Amortised, region: _Region):
    """Draws of the last network that lie in the last region; whatever is outside is not in its prior."""

    def draw(n: int, generator: torch.Generator) -> Tensor:
        kept, found = [], 0
        for _ in range(100):
            x = amortised.draw(max(n, 100), generator)
            kept.append(x[region.holds(x)])
            found += len(kept[-1])
            if found >= n:
                return torch.cat(kept)[:n]
        raise DataError("The last network hardly draws anything inside its region", found=f"{found} draws")

    return draw
