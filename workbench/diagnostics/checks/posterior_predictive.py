"""Would a repetition of the measurement come out as the posterior predicts?

Prediction   y' of a draw: x̃ ~ model(· | y), y' ~ simulator(· | x̃), in each observed quantity.
Repetition   y″ ~ simulator(· | x) of the same truth x that made y. Given y, it is one more draw of the exact
             posterior predictive law: its rank among the predictions is uniform. (The rank of y itself is
             not: y has been used.)
Error        root mean square of (y' − y″), in standard deviations of y; with noise it is not 0.
Test         simultaneous test of uniformity of every observed quantity, corrected together by Holm.
Verdict      green: no corrected p below the level. Amber: some, but every law of ranks is under 0.05 away, or
             every error under 0.02. Red otherwise. A simulator without noise repeats exactly: only rounding
             counts as equal.
Blind to     everything that the simulator does not see, such as a missing one of two equivalent modes.
"""

from __future__ import annotations

import numpy as np
import param
import torch

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    draws,
    fresh,
    lost_share,
    names,
)
from workbench.inference.statistics import holm, percent, uniform_ranks, uniformity

SMALL, SMALL_ERROR = 0.05, 0.02
#: Two numbers that differ by less than this many standard deviations of y are equal.
ROUNDING = 1e-9


@DIAGNOSTICS.register
class PosteriorPredictive(Diagnostic):
    """Posterior predictive ranks of a repeated measurement."""

    key = "posterior_predictive"
    title = "Posterior predictive"
    summary = "Where a repeated measurement falls among what the posterior predicts."
    reference = "Rubin 1984; Gelman, Meng and Stern 1996 (posterior predictive checks)"
    checked = "Whether the posterior, sent through the simulator, predicts a repetition of the measurement."
    remedy = (
        "Compare with calibration. If that passes, the simulator is not the one that made the training data; "
        "otherwise train longer, on more simulations or with a larger network."
    )
    needs_problem = frozenset({Capability.OBSERVATION, Capability.SIMULATE})
    thorough = {"observations": 1000, "draws": 500}

    observations = param.Integer(400, bounds=(20, 10_000), doc="Number of fresh observations.")
    draws = param.Integer(60, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        count, generator = len(data.x), torch.Generator().manual_seed(seed + 5)
        drawn = draws(fitted, data.y, count, self.draws, seed)
        low, high = (torch.tensor([getattr(v, end) for v in problem.x]).double() for end in ("low", "high"))
        # outside its bounds a simulator need not answer: the nearest point inside stands for such a draw
        inside = torch.minimum(torch.maximum(drawn.nan_to_num(), low), high)
        scale = data.y.std(0).clamp(min=1e-12).numpy()
        made = problem.simulate(inside.reshape(-1, drawn.shape[2]), generator).double().numpy() / scale
        made = made.reshape(count, self.draws, -1)
        again = problem.simulate(data.x, generator).double().numpy() / scale
        lost = max(lost_share(drawn), float(1 - np.isfinite(made).all(2).mean()))
        kept = np.isfinite(again).all(1) & np.isfinite(made).all((1, 2))
        if kept.sum() < 2:
            return _unanswered(data, lost)
        made, again = made[kept], again[kept]
        near = np.abs(made - again[:, None]) < ROUNDING
        u = uniform_ranks(again, np.where(near, again[:, None], made), np.random.default_rng(seed))
        tests = [uniformity(column, self.level / u.shape[1]) for column in u.T]
        corrected = holm(np.asarray([t.p for t in tests]))
        distance = np.asarray([t.distance for t in tests])
        error = np.sqrt(((made - again[:, None]) ** 2).mean((0, 1)))
        p, quantities = float(corrected.min()), names(problem.y)
        little = distance.max() < SMALL or error.max() < SMALL_ERROR
        verdict = "green" if p >= self.level else "amber" if little else "red"
        worst = quantities[int(corrected.argmin() if p < self.level else distance.argmax())]
        return dataset(
            {
                "rank": (("pair", "observed"), u, {"long_name": "rank of the repetition, in (0, 1)"}),
                "error": (
                    "observed",
                    error,
                    {"long_name": "error of the prediction", "units": "standard deviations of y"},
                ),
                "distance": ("observed", distance, {"long_name": "largest distance of the ranks' law"}),
                "corrected_p": ("observed", corrected),
                "ecdf_difference": (("observed", "place"), [t.difference for t in tests]),
                "band_low": ("place", tests[0].low),
                "band_high": ("place", tests[0].high),
                "non_finite_share": ((), lost),
            },
            verdict="red" if lost > NON_FINITE_SHARE else verdict,
            sentence=(
                (f"{percent(lost)} of the draws have no finite answer. " if lost > NON_FINITE_SHARE else "")
                + f"Predictions miss a repeated measurement by {error.max():.3g} standard deviations of y at "
                f"most; the law of ranks is off by {distance.max():.3g} at most (in {worst}); smallest "
                f"corrected p {p:.2g}."
            ),
            data=data,
            observed=("observed", quantities),
            place=("place", tests[0].grid),
        )


def _unanswered(data, lost: float):
    """What is said when the simulator answers hardly any draw."""
    return dataset(
        {"non_finite_share": ((), lost)},
        verdict="red",
        sentence=f"The simulator has no finite answer to {lost:.0%} of the posterior draws.",
        data=data,
    )
