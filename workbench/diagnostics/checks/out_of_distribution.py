"""Is the observation like those of the training?

Scores       Mahalanobis distance and distance to the fifth nearest reference observation, see
             `workbench.inference.out_of_distribution`; a conformal p value from observations kept aside.
Asked        the problem's own observation, or the one given; and fresh observations of the problem, whose p
             values must be as large as chance makes them (if not, the training data are not the problem's).
Verdict      green: p of the observation at least the level, and not too many fresh ones below it (binomial
             test). Amber: p below the level. Red: the observation is farther out than 1.25 times the
             farthest compared, or too many fresh ones are below the level.
Blind to     the posterior: it looks at y alone.
"""

from __future__ import annotations

import param
import torch
from scipy.stats import binom

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import DIAGNOSTICS, Diagnostic, dataset, fresh
from workbench.inference.out_of_distribution import BEYOND, Typicality, concerns


@DIAGNOSTICS.register
class OutOfDistribution(Diagnostic):
    """Observations unlike the training's."""

    key = "out_of_distribution"
    title = "Out of distribution"
    summary = "Whether an observation is like those that the network was trained on."
    reference = "Mahalanobis 1936; Vovk et al. 2005; Schmitt et al. 2021, arXiv 2112.08866"
    checked = "Whether the observation is like those of the training; a network knows no others."
    remedy = (
        "Check the observation's units and order. If they are right, widen the prior or add what the "
        "simulator lacks, and train again."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000}

    observations = param.Integer(300, bounds=(20, 100_000), doc="Number of fresh observations asked about.")
    draws = param.Integer(
        2000, bounds=(40, 100_000), doc="Drawn for comparison where the training's are not at hand."
    )
    observation = param.List([], item_type=float, doc="The one asked about; empty: the problem's own.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        seen, shift, scale = self._seen(fitted, problem, seed)
        asked = problem.checked_observation(
            self.observation or list(problem.default_observation) or data.y[0].tolist()
        )
        p = float(seen.p_value((asked - shift)[None] / scale))
        distance = float(seen.distance((asked - shift)[None] / scale))
        others = seen.p_value((data.y - shift) / scale)
        flagged = int((others < self.level).sum())
        # ties and the doubling make the true rate smaller than the level: the test is cautious
        overall = float(binom.sf(flagged - 1, len(others), self.level))
        strange = overall < self.level
        doubts = concerns(asked.tolist(), problem.y, shift, scale, seen)
        verdict = "red" if distance > BEYOND or strange else "amber" if p < self.level else "green"
        if distance > BEYOND:
            said = " ".join(doubts)
        elif p < self.level:
            said = "The observation is unusual among those of the training"
        else:
            said = "The observation is like those of the training"
        share = f"{flagged} of {len(others)} fresh ones are flagged"
        said = f"{said.rstrip('.')} (p {p:.2g}); {share}."
        if strange:
            said += " That is too many: the training data are not what the problem makes."
        return dataset(
            {
                "p": ((), p),
                "distance": ((), distance, {"long_name": "distance over the farthest compared"}),
                "flagged_share": ((), flagged / len(others)),
                "fresh_p": ("pair", others.numpy()),
                "observation": ("observed", asked.numpy()),
            },
            verdict=verdict,
            sentence=said,
            data=data,
            observed=("observed", [v.name for v in problem.y]),
        )

    def _seen(self, fitted, problem, seed):
        """What is compared with, and the units of y it is in."""
        known = getattr(fitted, "typicality", None)
        if known is not None:
            units = fitted.standardisation
            return known, units.shift_y.cpu().double(), units.scale_y.cpu().double()
        # another seed than that of the fresh ones, or they would be compared with themselves
        drawn = problem.draw(self.draws, torch.Generator().manual_seed(seed + 11)).y.double()
        shift, scale = drawn.mean(0), drawn.std(0).clamp(min=1e-12)
        rows = (drawn - shift) / scale
        half = len(rows) // 2
        return Typicality(rows[:half], rows[half:]), shift, scale
