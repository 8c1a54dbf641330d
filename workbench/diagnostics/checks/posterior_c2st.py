"""C2ST: how well does a classifier tell the model's posterior from the exact one?

C2ST         held-out accuracy of the classifier of the simulation-based inference benchmark, at each of a few
             fresh observations: 0.5 for equal distributions, 1 for separate ones. Few draws show only large
             differences: compare values from equally many draws only. The fast budget trains the classifier
             more briefly than the benchmark does.
Test         for equal distributions every held-out prediction is right with probability 1/2: the number of
             right ones at all observations together is binomial (one-sided). Folds that are not balanced push
             the accuracy a little below 0.5, so that the test is conservative.
Severity     sliced W2 of the same draws beyond that of two exact sets, or, where it is larger, the shift per
             dimension between two normal distributions that a classifier of this accuracy tells apart.
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
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem


@DIAGNOSTICS.register
class PosteriorC2st(Diagnostic):
    """Check by a classifier two-sample test (C2ST) against the exact posterior."""

    key = "posterior_c2st"
    title = "C2ST"
    summary = "How well a classifier tells the model's posterior from the exact one: 0.5 if it cannot."
    reference = "Lopez-Paz and Oquab 2017, arXiv 1610.06545; Lueckmann et al. 2021, arXiv 2101.04653"
    purpose = "Whether a classifier can tell the posterior's draws from draws of the exact posterior."
    remedy = "Train longer, on more simulations, or with a larger network; calibration then shows the fault."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.REFERENCE_POSTERIOR})
    thorough = {"observations": 10, "draws": 1000, "folds": 5, "iterations": 1000}

    observations = param.Integer(3, bounds=(1, 1000), doc="Number of fresh observations.")
    draws = param.Integer(200, bounds=(20, 10_000), doc="Draws of the model and of the exact posterior.")
    folds = param.Integer(3, bounds=(2, 20), doc="Parts of the cross-validation; the benchmark has 5.")
    iterations = param.Integer(
        100, bounds=(10, 10_000), doc="Most epochs of the classifier; the benchmark has 10 000."
    )

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from scipy.stats import binom

        from workbench.diagnostics.checks.reference_draws import model_and_reference_draws, skipped_sentence
        from workbench.diagnostics.severity import SMALL_SEVERITY, draws_displacement
        from workbench.diagnostics.two_samples import c2st
        from workbench.inference.statistics import percent

        draws = model_and_reference_draws(fitted, problem, self.observations, self.draws, seed)
        usable = [part for part in draws.sets if len(part.model) == len(part.first)]
        values = np.asarray(
            [c2st(s.first, s.model, folds=self.folds, iterations=self.iterations) for s in usable]
        )
        answers = 2 * self.draws * len(values)
        right = round(float(values.sum()) * 2 * self.draws)
        p = float(binom.sf(right - 1, answers, 0.5)) if len(values) else 0.0
        mean = float(values.mean()) if len(values) else np.nan
        severity = (
            np.nanmax([draws_displacement(draws.sets), _shift(mean, len(problem.x))]) if usable else np.nan
        )
        verdict = verdict_of(p, self.level, small=severity < SMALL_SEVERITY, non_finite=draws.non_finite)
        sentence = f"A classifier is right in {percent(mean)} of cases (50 % cannot tell); p {p:.2g}."
        if draws.non_finite > NON_FINITE_SHARE:
            sentence = f"{percent(draws.non_finite)} of the posterior's draws are not finite. " + sentence
        return dataset(
            {
                "c2st": ((), mean, {"long_name": "C2ST, mean over the observations"}),
                "c2st_by_observation": ("kept", values),
                "p": ((), p),
                "non_finite_share": ((), draws.non_finite),
            },
            verdict=verdict if len(values) else "red",
            sentence=sentence + skipped_sentence(draws),
            data=draws.data,
            p_value=p,
            severity=severity,
        )


def _shift(accuracy: float, features: int) -> float:
    """Return the shift, per dimension and in deviations, that the best classifier sees with this accuracy."""
    from scipy.stats import norm

    return 2 * float(norm.ppf(np.clip(accuracy, 0.5, 0.9999))) / np.sqrt(features)
