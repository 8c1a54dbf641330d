"""Posterior predictive check: does a repetition of the measurement come out as the posterior predicts?

Prediction   y': x̃ ~ model(· | y), y' ~ simulator(· | x̃), for each component of y.
Repetition   y″ ~ simulator(· | x) from the same truth x that y was simulated from. Given y, it is one more
             draw from the exact posterior predictive distribution: its rank among the predictions is uniform.
             (The rank of y itself is not, since the posterior is conditioned on y.)
Error        root mean square of (y' − y″), in standard deviations of y; with noise it is not 0.
Test         simultaneous test of uniformity of the ranks for every component of y, with Holm's correction.
Severity     largest displacement of the repetition that makes the ranks of a quantity uniform, in standard
             deviations of its prediction.
Verdict      green: no corrected p below the level. Amber: some, but the severity is under 0.125, or every
             error is under 0.02. Red otherwise. A simulator without noise
             repeats exactly: only rounding counts as equal.
Blind to     errors in x that do not change y, such as one missing mode of two equivalent ones.
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
    WRONG_PLACE,
    Diagnostic,
    dataset,
    held_out_pairs,
    non_finite_share,
    posterior_draws,
    variable_names,
    verdict_of,
)
from workbench.diagnostics.checks.simulations import no_simulations, within_bounds

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

SMALL_ERROR = 0.02
#: Two numbers that differ by less than this many standard deviations of y are equal.
ROUNDING = 1e-9


@DIAGNOSTICS.register
class PosteriorPredictive(Diagnostic):
    """Check of the rank of a repeated measurement among posterior predictions."""

    key = "posterior_predictive"
    title = "Posterior predictive"
    summary = "Where a repeated measurement falls among what the posterior predicts."
    reference = "Rubin 1984; Gelman, Meng and Stern 1996 (posterior predictive checks)"
    purpose = "Whether the posterior, sent through the simulator, predicts a repetition of the measurement."
    remedy = (
        "Compare with calibration. If that passes, the simulator is not the one that made the training data; "
        "otherwise train longer, on more simulations or with a larger network."
    )
    needs_problem = frozenset({Capability.OBSERVATION, Capability.SIMULATE})
    thorough = {"observations": 1000, "draws": 500}
    notices = frozenset({WRONG_PLACE})

    observations = param.Integer(400, bounds=(20, 10_000), doc="Number of fresh observations.")
    draws = param.Integer(60, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.diagnostics.severity import SMALL_SEVERITY, rank_displacement
        from workbench.inference.statistics import holm, uniform_ranks, uniformity

        data = held_out_pairs(fitted, problem, self.observations, seed)
        count, generator = len(data.x), torch.Generator().manual_seed(seed + 5)
        samples = posterior_draws(fitted, data.y, count, self.draws, seed)
        scale = column_scale(data.y).numpy()
        predictions = problem.simulate(within_bounds(problem, samples), generator).double().numpy() / scale
        predictions = predictions.reshape(count, self.draws, -1)
        repetition = problem.simulate(data.x, generator).double().numpy() / scale
        non_finite = max(non_finite_share(samples), float(1 - np.isfinite(predictions).all(2).mean()))
        usable = np.isfinite(repetition).all(1) & np.isfinite(predictions).all((1, 2))
        if usable.sum() < 2:
            return no_simulations(data, non_finite)
        predictions, repetition = predictions[usable], repetition[usable]
        equal = np.abs(predictions - repetition[:, None]) < ROUNDING
        ranks = uniform_ranks(
            repetition, np.where(equal, repetition[:, None], predictions), np.random.default_rng(seed)
        )
        tests = [uniformity(column, self.level / ranks.shape[1]) for column in ranks.T]
        p_values = holm(np.asarray([t.p for t in tests]))
        distance = np.asarray([t.distance for t in tests])
        error = np.sqrt(((predictions - repetition[:, None]) ** 2).mean((0, 1)))
        p, quantities = float(p_values.min()), variable_names(problem.y)
        severity = max(rank_displacement(column) for column in ranks.T)
        small = severity < SMALL_SEVERITY or error.max() < SMALL_ERROR
        worst = quantities[int(p_values.argmin() if p < self.level else distance.argmax())]
        return dataset(
            {
                "rank": (("pair", "observed"), ranks, {"long_name": "rank of the repetition, in (0, 1)"}),
                "error": (
                    "observed",
                    error,
                    {"long_name": "error of the prediction", "units": "standard deviations of y"},
                ),
                "distance": (
                    "observed",
                    distance,
                    {"long_name": "largest distance of the ranks from uniform"},
                ),
                "corrected_p": ("observed", p_values),
                "ecdf_difference": (("observed", "place"), [t.difference for t in tests]),
                "band_low": ("place", tests[0].low),
                "band_high": ("place", tests[0].high),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict_of(p, self.level, small=small, non_finite=non_finite),
            sentence=_sentence(error.max(), distance.max(), worst, p, non_finite),
            data=data,
            p_value=p,
            severity=severity,
            observed=("observed", quantities),
            place=("place", tests[0].grid),
        )


def _sentence(error: float, distance: float, worst: str, p: float, non_finite: float) -> str:
    from workbench.inference.statistics import percent

    loss = f"{percent(non_finite)} of the draws have no finite answer. "
    return (
        f"{loss if non_finite > NON_FINITE_SHARE else ''}Predictions miss a repeated measurement by "
        f"{error:.3g} standard deviations of y at most; ranks are off uniform by {distance:.3g} at most (in "
        f"{worst}); smallest corrected p {p:.2g}."
    )
