"""Simulation-based calibration: does the truth hide among the posterior's draws like one of them?

Ranks        x ~ prior, y ~ simulator, x̃_1 … x̃_L ~ model(· | y): under the exact posterior the rank of x_i
             among its draws is uniform for every parameter (and for any function, here the model's own log
             density as well, which sees wrong dependence between parameters).
Coverage     for q = 1/101, …, 100/101: e_cal(q) = share of truths inside the central interval of mass q,
             minus q; the calibration error of a parameter is the median of |e_cal| over q. Negative e_cal:
             overconfident.
Verdict      green: no corrected p value of the simultaneous rank test below the level. Amber: one is, but
             every calibration error is under 0.03 and every distance of laws under 0.05. Red otherwise.
Blind to     a model that answers every observation with the prior: it is calibrated, and useless.
"""

from __future__ import annotations

import numpy as np
import param

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
    on_cpu,
)
from workbench.inference.statistics import holm, percent, uniform_ranks, uniformity

SMALL_ERROR, SMALL_DISTANCE = 0.03, 0.05
LEVELS = np.arange(1, 101) / 101


@DIAGNOSTICS.register
class Calibration(Diagnostic):
    """Ranks and coverage of the posterior over many observations."""

    key = "calibration"
    title = "Calibration"
    summary = (
        "Ranks of the truth among posterior draws over many observations; coverage of central intervals."
    )
    reference = (
        "Talts et al. 2018, arXiv 1804.06788; Säilynoja et al. 2022, arXiv 2103.10522; Ardizzone et al. 2019"
    )
    checked = "Whether the truth hides among the posterior's draws like one of them, parameter by parameter."
    remedy = (
        "Overconfident: more simulations, earlier stopping, or several networks averaged. Too cautious "
        "or shifted: train longer."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 1000, "draws": 1000}

    observations = param.Integer(200, bounds=(20, 100_000), doc="Number of fresh pairs (x, y).")
    draws = param.Integer(200, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.observations, seed)
        count = len(data.x)
        drawn = draws(fitted, data.y, count, self.draws, seed)
        truth, others, quantities = data.x.numpy(), drawn.numpy(), list(names(problem.x))
        if Capability.DENSITY in fitted.capabilities:
            own = on_cpu(fitted.log_prob(data.x, data.y)).numpy()[:, None]
            rows = data.y.repeat_interleave(self.draws, 0)
            safe = drawn.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).reshape(-1, drawn.shape[2])
            theirs = on_cpu(fitted.log_prob(safe, rows)).numpy().reshape(count, self.draws, 1)
            truth, others = np.concatenate([truth, own], 1), np.concatenate([others, theirs], 2)
            quantities.append("log_density")
        u = uniform_ranks(truth, others, np.random.default_rng(seed))
        tests = [uniformity(column, self.level / u.shape[1]) for column in u.T]
        corrected = holm(np.asarray([t.p for t in tests]))
        coverage = (np.abs(u[..., None] - 0.5) <= LEVELS / 2).mean(0) - LEVELS
        error, distance = np.median(np.abs(coverage), axis=1), np.asarray([t.distance for t in tests])
        lost = lost_share(drawn)
        verdict = _verdict(corrected.min(), self.level, error.max(), distance.max(), lost)
        return dataset(
            {
                "rank": (
                    ("pair", "quantity"),
                    u,
                    {"long_name": "rank of the truth among its draws, in (0, 1)"},
                ),
                "calibration_error": ("quantity", error, {"long_name": "median |coverage - q|"}),
                "coverage_error": (("quantity", "q"), coverage, {"long_name": "coverage minus q"}),
                "distance": ("quantity", distance, {"long_name": "largest distance of the ranks' law"}),
                "p": ("quantity", [t.p for t in tests]),
                "corrected_p": ("quantity", corrected),
                "ecdf_difference": (("quantity", "place"), [t.difference for t in tests]),
                "band_low": ("place", tests[0].low),
                "band_high": ("place", tests[0].high),
                "non_finite_share": ((), lost),
            },
            verdict=verdict,
            sentence=_sentence(verdict, quantities, coverage, error, corrected, lost),
            data=data,
            quantity=("quantity", np.asarray(quantities)),
            q=("q", LEVELS),
            place=("place", tests[0].grid),
        )


def _verdict(p: float, level: float, error: float, distance: float, lost: float) -> str:
    if lost > NON_FINITE_SHARE:
        return "red"
    if p >= level:
        return "green"
    return "amber" if error < SMALL_ERROR and distance < SMALL_DISTANCE else "red"


def _sentence(verdict, quantities, coverage, error, corrected, lost) -> str:
    if lost > NON_FINITE_SHARE:
        return f"{percent(lost)} of the posterior's draws are not finite."
    worst = int(corrected.argmin()) if verdict != "green" else int(error.argmax())
    lean = float(np.median(coverage[worst]))
    kind = "overconfident" if lean < -0.01 else "too cautious" if lean > 0.01 else "shifted or misshapen"
    start = {"green": "No miscalibration found", "amber": "Slightly miscalibrated", "red": "Miscalibrated"}[
        verdict
    ]
    said = "" if verdict == "green" else f", {kind} in {quantities[worst]}"
    return (
        f"{start}{said}: largest calibration error {percent(error.max())}, "
        f"smallest corrected p {corrected.min():.2g}."
    )
