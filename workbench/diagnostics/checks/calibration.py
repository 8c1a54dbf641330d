"""Simulation-based calibration: is the truth distributed like one of the posterior's draws?

Ranks        x ~ prior, y ~ simulator, x̃_1 … x̃_L ~ model(· | y): under the exact posterior the rank of x_i
             among its draws is uniform for every parameter (and for any function, here also the model's own
             log density, which responds to wrong dependence between parameters).
Coverage, test and verdict: see `workbench.inference.calibration`. Severity: the largest displacement of the
             truths that makes the ranks of a parameter uniform.
Blind to     a model whose posterior is the prior at every observation: it is calibrated, and useless.
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
    held_out_pairs,
    log_density_of_draws,
    non_finite_share,
    on_cpu,
    posterior_draws,
    variable_names,
)

if TYPE_CHECKING:
    import xarray as xr

    from workbench.inference.calibration import RankCalibration
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem


@DIAGNOSTICS.register
class Calibration(Diagnostic):
    """Check of the posterior's ranks and coverage over many observations."""

    key = "calibration"
    title = "Calibration"
    summary = (
        "Ranks of the truth among posterior draws over many observations; coverage of central intervals."
    )
    reference = (
        "Talts et al. 2018, arXiv 1804.06788; Säilynoja et al. 2022, arXiv 2103.10522; Ardizzone et al. 2019"
    )
    purpose = "Whether the truth is distributed like one of the posterior's draws, parameter by parameter."
    remedy = (
        "Overconfident: more simulations, earlier stopping, or several networks averaged. Too cautious "
        "or shifted: train longer."
    )
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"observations": 1000, "draws": 1000}

    observations = param.Integer(200, bounds=(20, 100_000), doc="Number of fresh pairs (x, y).")
    draws = param.Integer(200, bounds=(10, 10_000), doc="Posterior draws for each observation.")

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from workbench.diagnostics.severity import rank_displacement
        from workbench.inference.calibration import LEVELS, rank_calibration
        from workbench.inference.statistics import uniform_ranks

        data = held_out_pairs(fitted, problem, self.observations, seed)
        samples = posterior_draws(fitted, data.y, len(data.x), self.draws, seed)
        truth, others = data.x.numpy(), samples.numpy()
        quantities = list(variable_names(problem.x))
        if Capability.DENSITY in fitted.capabilities:
            log_truth = on_cpu(fitted.log_prob(data.x, data.y)).numpy()[:, None]
            log_draws = log_density_of_draws(fitted, samples, data.y).numpy()[..., None]
            truth, others = np.concatenate([truth, log_truth], 1), np.concatenate([others, log_draws], 2)
            quantities.append("log_density")
        ranks = uniform_ranks(truth, others, np.random.default_rng(seed))
        result, non_finite = rank_calibration(ranks, self.level), non_finite_share(samples)
        test = result.tests[0]
        return dataset(
            {
                "rank": (
                    ("pair", "quantity"),
                    ranks,
                    {"long_name": "rank of the truth among its draws, in (0, 1)"},
                ),
                "calibration_error": ("quantity", result.error, {"long_name": "median |coverage - q|"}),
                "coverage_error": (
                    ("quantity", "q"),
                    result.coverage_error,
                    {"long_name": "coverage minus q"},
                ),
                "distance": (
                    "quantity",
                    result.distance,
                    {"long_name": "largest distance of the ranks from uniform"},
                ),
                "p": ("quantity", [t.p for t in result.tests]),
                "corrected_p": ("quantity", result.corrected_p),
                "ecdf_difference": (("quantity", "place"), result.ecdf_difference),
                "band_low": ("place", test.low),
                "band_high": ("place", test.high),
                "non_finite_share": ((), non_finite),
            },
            verdict="red" if non_finite > NON_FINITE_SHARE else result.verdict,
            sentence=_sentence(result, quantities, non_finite),
            data=data,
            p_value=float(result.corrected_p.min()),
            severity=max(rank_displacement(column) for column in ranks.T[: len(problem.x)]),
            quantity=("quantity", np.asarray(quantities)),
            q=("q", LEVELS),
            place=("place", test.grid),
        )


def _sentence(result: RankCalibration, quantities: list[str], non_finite: float) -> str:
    from workbench.inference.statistics import percent

    if non_finite > NON_FINITE_SHARE:
        return f"{percent(non_finite)} of the posterior's draws are not finite."
    start = {"green": "No miscalibration found", "amber": "Slightly miscalibrated", "red": "Miscalibrated"}
    fault = f", {result.fault(result.worst)} in {quantities[result.worst]}"
    return (
        f"{start[result.verdict]}{'' if result.verdict == 'green' else fault}: largest calibration error "
        f"{percent(result.error.max())}, smallest corrected p {result.corrected_p.min():.2g}."
    )
