"""Distance of the model's posterior to the reference posterior, over many observations.

Err_post     mean over fresh y of the unbiased MMD² between draws of the model and of the reference, with
             the kernel Σ_h 1 / (1 + d²/h²) of the distance d, h in {0.05, 0.2, 0.9}, with x in standard
             deviations of the prior; also in raw units of x as published, unbiased and biased.
Floor        mean unbiased MMD² between two independent sets of reference draws at the same observations: the
             value that an exact posterior would reach.
Test         under the exact posterior, model and second reference are exchangeable, so that
             MMD²(model, first) − MMD²(second, first) is positive or negative with equal probability at every
             observation: exact sign-flip test.
Severity     sliced W2 of the same draws beyond that of two exact sets, in standard deviations of the exact
             posterior: MMD² has no scale of its own, and shrinks with the dimension.
Verdict      green: p at least the level. Amber: below, but the severity is under 0.125. Red otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    variable_names,
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.diagnostics.checks.reference_draws import DrawSets
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

#: Fewest observations for a sign-flip test.
_FEWEST = 8


@DIAGNOSTICS.register
class PosteriorMmd(Diagnostic):
    """Check of Err_post, the mean MMD² between the model's posterior and the exact one."""

    key = "posterior_mmd"
    title = "Posterior distance"
    summary = (
        "Squared distance (MMD²) of the model's posterior to the exact one, beside that of two exact sets."
    )
    reference = "Kruse et al. 2021, arXiv 2101.10763, equation 10; Gretton et al. 2012"
    purpose = "How far the posterior is from the exact one, in the kernel distance MMD²."
    remedy = "Train longer, on more simulations, or with a larger network; calibration then shows the fault."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.REFERENCE_POSTERIOR})
    thorough = {"observations": 100, "draws": 1000}

    observations = param.Integer(20, bounds=(12, 1000), doc="Number of fresh observations.")
    draws = param.Integer(250, bounds=(20, 5000), doc="Draws of the model and of each reference set.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.diagnostics.checks.reference_draws import model_and_reference_draws, skipped_sentence
        from workbench.diagnostics.severity import SMALL_SEVERITY, draws_displacement
        from workbench.inference.statistics import percent, sign_flip

        draws = model_and_reference_draws(fitted, problem, self.observations, self.draws, seed)
        non_finite, rows = draws.non_finite, [part.row for part in draws.sets]
        table = np.asarray([_distances(part, draws.scale) for part in draws.sets]).reshape(-1, 5)
        excess = table[:, 0] - table[:, 1]
        p = sign_flip(excess, np.random.default_rng(seed)) if len(table) >= _FEWEST else 0.0
        severity = draws_displacement(draws.sets)
        error, floor, *published = (_mean(column) for column in table.T)
        sentence = (
            f"Squared distance to the exact posterior {error:.3g}, of two exact sets {floor:.2g}; p {p:.2g}."
        )
        if non_finite > NON_FINITE_SHARE:
            sentence = f"{percent(non_finite)} of the posterior's draws are not finite. " + sentence
        return dataset(
            {
                "error": ((), error, {"long_name": "unbiased MMD², in standard deviations of x"}),
                "floor": ((), floor, {"long_name": "unbiased MMD² between two reference sets"}),
                "published_error": ((), published[0], {"long_name": "Err_post: unbiased MMD², raw units"}),
                "published_biased_error": ((), published[1]),
                "published_floor": ((), published[2]),
                "error_by_observation": ("kept", table[:, 0]),
                "floor_by_observation": ("kept", table[:, 1]),
                "observation": (("kept", "observed"), draws.data.y.numpy()[rows].reshape(len(rows), -1)),
                "p": ((), p),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict_of(p, self.level, small=severity < SMALL_SEVERITY, non_finite=non_finite),
            sentence=sentence + skipped_sentence(draws),
            data=draws.data,
            p_value=p,
            severity=severity,
            observed=("observed", variable_names(problem.y)),
        )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _distances(part: DrawSets, scale: Tensor) -> list[float]:
    """Return five values of MMD² at one observation.

    With x divided by ``scale`` (D,): model to first reference set and second to first, both unbiased. In raw
    units of x: model to first, unbiased and biased, then second to first, unbiased.
    """
    from workbench.divergences import mmd_squared

    model, first, second = part.model, part.first, part.second
    raw = [
        mmd_squared(model, first, unbiased=True),
        mmd_squared(model, first),
        mmd_squared(second, first, unbiased=True),
    ]
    model, first, second = (draws / scale for draws in (model, first, second))
    unit_free = [mmd_squared(model, first, unbiased=True), mmd_squared(second, first, unbiased=True)]
    return [float(value) for value in (*unit_free, *raw)]
