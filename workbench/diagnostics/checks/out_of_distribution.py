"""Out-of-distribution test: is the observation distributed like those of the training?

Scores       Mahalanobis distance and distance to the fifth nearest reference observation, see
             `workbench.inference.out_of_distribution`; a conformal p value from held-out observations.
Tested       the problem's own observation, or the one given; and fresh observations of the problem, of which
             no more than chance allows may lie beyond the 95 % quantile of the training's scores (if more do,
             the training data are not the problem's). Fresh ones are compared with the same few training
             observations, so that their number is beta-binomial, not binomial.
Verdict      green: p of the observation at least the level, and not too many fresh observations far out.
             Amber: p of the observation below the level. Red: it is farther out than 1.25 times the farthest
             calibration observation, or too many fresh ones are far out.
Blind to     the posterior: only y is tested. With m training observations to compare with, no p value is
             below 3 / (m + 1): with fewer than 299, at the level 0.01, an observation is only noticed by its
             distance, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.scale import column_scale
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    Diagnostic,
    dataset,
    held_out_pairs,
    variable_names,
)

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.inference.out_of_distribution import Typicality
    from workbench.problems import Problem


@DIAGNOSTICS.register
class OutOfDistribution(Diagnostic):
    """Check of the observation: is it typical of the training data?"""

    key = "out_of_distribution"
    title = "Out of distribution"
    summary = "Whether an observation is like those that the network was trained on."
    reference = "Mahalanobis 1936; Vovk et al. 2005; Schmitt et al. 2021, arXiv 2112.08866"
    purpose = "Whether the observation is like those of the training; a network knows no others."
    remedy = (
        "Check the observation's units and order. If they are right, widen the prior or add what the "
        "simulator lacks, and train again."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 2000}
    notices = frozenset()

    observations = param.Integer(300, bounds=(20, 100_000), doc="Number of fresh observations tested.")
    draws = param.Integer(
        2000, bounds=(40, 100_000), doc="Observations simulated to compare with, if the model stores none."
    )
    observation = param.List([], item_type=float, doc="The observation tested; empty: the problem's own.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.inference.out_of_distribution import BEYOND, concerns

        data = held_out_pairs(fitted, problem, self.observations, seed)
        training, moments, to_rows, to_data = self._training_observations(fitted, problem, seed)
        observation = problem.checked_observation(
            self.observation or list(problem.default_observation) or data.y[0].tolist()
        )
        row = to_rows(observation[None])
        p, distance = float(training.p_value(row)), float(training.distance(row))
        fresh_p = training.p_value(to_rows(data.y))
        count = int((fresh_p < self.level).sum())
        shift_p = training.shift_p_value(to_rows(data.y))
        data_shift, smallest = shift_p < self.level, float(training.p_value(row + 1e9))
        if distance > BEYOND:
            start = " ".join(concerns(observation.tolist(), problem.y, *moments, training, row, to_data))
        elif p < self.level:
            start = "The observation is unusual among those of the training"
        else:
            start = "The observation is like those of the training"
        sentence = f"{start.rstrip('.')} (p {p:.2g}); {count} of {len(fresh_p)} fresh ones are flagged."
        if smallest >= self.level:
            sentence += (
                f" With this few training observations to compare with, no p value can be below "
                f"{smallest:.2g}: only one {BEYOND:g} times as far out as all of them is noticed."
            )
        if data_shift:
            sentence += (
                f" Too many of these lie far out (p {shift_p:.2g}): the training data are not what the "
                "problem makes."
            )
        return dataset(
            {
                "p": ((), p),
                "distance": ((), distance, {"long_name": "distance over the farthest compared"}),
                "flagged_share": ((), count / len(fresh_p)),
                "shift_p": ((), shift_p, {"long_name": "p value of a shift of the training data"}),
                "fresh_p": ("pair", fresh_p.numpy()),
                "observation": ("observed", observation.numpy()),
            },
            verdict="red" if distance > BEYOND or data_shift else "amber" if p < self.level else "green",
            sentence=sentence,
            data=data,
            # an unusual observation is no matter of how many checks there are
            p_value=0.0 if distance > BEYOND or (p < self.level and not data_shift) else shift_p,
            observed=("observed", variable_names(problem.y)),
        )

    def _training_observations(
        self, fitted: FittedModel, problem: Problem, seed: int
    ) -> tuple[Typicality, tuple[Tensor, Tensor], Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """Return a test of typicality, mean and standard deviation (M,) of y, and maps to its units and back.

        The test is the one that the model carries, else one built from fresh observations of the problem.
        """
        from workbench.inference.out_of_distribution import Typicality

        typicality = getattr(fitted, "typicality", None)
        if typicality is not None:
            units = fitted.standardisation
            return typicality, units.moments_y(), lambda y: units.y_in(y).cpu(), units.y_out
        # another seed than that of the fresh ones, or they would be compared with themselves
        y = problem.draw(self.draws, torch.Generator().manual_seed(seed + 11)).y.double()
        shift, scale = y.mean(0), column_scale(y)
        rows = (y - shift) / scale
        half = len(rows) // 2
        test = Typicality(rows[:half], rows[half:])
        return test, (shift, scale), lambda y: (y - shift) / scale, lambda rows: shift + scale * rows
