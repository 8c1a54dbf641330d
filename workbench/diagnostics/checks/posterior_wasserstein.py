"""Wasserstein distance of the model's posterior to the exact one, over many observations.

W2           root of the least mean squared distance over all pairings of the model's draws with exact ones
Sliced W2    root mean square, over random directions, of W2 between projections of both sets on a line
Units        standard deviations of the exact posterior at that observation (of the first exact set)
Floor        the distance between two independent sets of exact draws, which an exact model would reach; it
             is not small in many dimensions
Test         sign-flip test: when the model is exact, W2²(model, first) − W2²(second, first) is positive or
             negative with equal probability at every observation. Three times the smallest p value: W2 larger
             or smaller than the floor, sliced W2 larger. In many dimensions draws of a narrow posterior lie
             nearer to the exact ones than exact ones do: the excess of W2² is negative.
Severity     root of the excess of sliced W2² over its floor, which is not negative for a narrow posterior,
             and means the same in any dimension
Verdict      green: p at least the level. Amber: below, but the severity is under 0.125. Red otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.scale import column_scale
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.diagnostics.checks.reference_draws import DrawSets
    from workbench.divergences.base import SampleDivergence
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

#: Fewest observations for a sign-flip test.
_FEWEST = 8


@DIAGNOSTICS.register
class PosteriorWasserstein(Diagnostic):
    """Check of the Wasserstein distance W2 between the model's posterior and the exact one."""

    key = "posterior_wasserstein"
    title = "Transport distance"
    summary = "Exact and sliced W2 of the model's posterior to the exact one, beside those of two exact sets."
    reference = "Kantorovich 1942; Bonneel et al. 2015 (sliced)"
    purpose = "How far the posterior's draws would have to be moved to become draws of the exact posterior."
    remedy = "Train longer, on more simulations, or with a larger network; calibration then shows the fault."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.REFERENCE_POSTERIOR})
    thorough = {"observations": 100, "draws": 500}

    observations = param.Integer(20, bounds=(12, 1000), doc="Number of fresh observations.")
    draws = param.Integer(150, bounds=(20, 2000), doc="Draws of the model and of each exact set.")
    slices = param.Integer(50, bounds=(1, 10_000), doc="Directions of the sliced distance.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.diagnostics.checks.reference_draws import model_and_reference_draws, skipped_sentence
        from workbench.diagnostics.severity import SMALL_SEVERITY, draws_displacement
        from workbench.divergences import DIVERGENCES
        from workbench.inference.statistics import percent, sign_flip

        draws = model_and_reference_draws(fitted, problem, self.observations, self.draws, seed)
        divergence = DIVERGENCES.make("sliced_wasserstein", order=2, slices=self.slices)
        usable = [part for part in draws.sets if len(part.model) == len(part.first)]
        table = np.asarray([_squared_distances(part, divergence) for part in usable]).reshape(-1, 4)
        enough = len(table) >= _FEWEST
        generator = np.random.default_rng(seed)
        differences = (table[:, 0] - table[:, 1], table[:, 1] - table[:, 0], table[:, 2] - table[:, 3])
        p = min(1.0, 3 * min(sign_flip(d, generator) for d in differences)) if enough else 0.0
        severity = draws_displacement(draws.sets)
        excess = float((table[:, 0] - table[:, 1]).mean()) if enough else np.inf
        mean = np.sqrt(table.mean(0)) if len(table) else np.full(4, np.nan)
        verdict = verdict_of(p, self.level, small=severity < SMALL_SEVERITY, non_finite=draws.non_finite)
        sentence = (
            f"W2 to the exact posterior {mean[0]:.3g} of its standard deviations, of two exact sets "
            f"{mean[1]:.3g} (sliced {mean[2]:.2g} and {mean[3]:.2g}); p {p:.2g}."
        )
        if draws.non_finite > NON_FINITE_SHARE:
            sentence = f"{percent(draws.non_finite)} of the posterior's draws are not finite. " + sentence
        return dataset(
            {
                "error": ((), mean[0], {"long_name": "W2", "units": "posterior standard deviations"}),
                "floor": ((), mean[1], {"long_name": "W2 between two exact sets"}),
                "sliced_error": ((), mean[2], {"long_name": "sliced W2"}),
                "sliced_floor": ((), mean[3], {"long_name": "sliced W2 between two exact sets"}),
                "error_by_observation": ("kept", np.sqrt(table[:, 0])),
                "floor_by_observation": ("kept", np.sqrt(table[:, 1])),
                "excess": ((), excess if enough else np.nan, {"long_name": "W2² above its floor"}),
                "p": ((), p),
                "non_finite_share": ((), draws.non_finite),
            },
            verdict=verdict if enough else "red",
            sentence=sentence + skipped_sentence(draws),
            data=draws.data,
            p_value=p,
            severity=severity,
        )


def _squared_distances(part: DrawSets, divergence: SampleDivergence) -> list[float]:
    """Return four squared distances to the first exact set at one observation.

    W2² of the model's draws, W2² of the second exact set, then the square of sliced W2 for each of the two.
    """
    from workbench.diagnostics.two_samples import exact_wasserstein

    scale = column_scale(part.first)
    model, first, second = (draws / scale for draws in (part.model, part.first, part.second))
    exact = [exact_wasserstein(draws.numpy(), first.numpy()) ** 2 for draws in (model, second)]
    # the same directions for both: their scatter cancels
    along = [
        float(divergence.between(draws, first, torch.Generator().manual_seed(0))) for draws in (model, second)
    ]
    return exact + along
