"""Distance of the model's posterior to the reference posterior, over many observations.

Err_post     mean over fresh y of the unbiased MMD² between draws of the model and of the reference, with
             the kernel Σ_h 1 / (1 + d²/h²), h in {0.05, 0.2, 0.9}, in raw units of x as published; also
             biased, and unbiased with x in standard deviations of the prior, which is what the verdict
             looks at.
Floor        the same between two reference sets: what an exact posterior would score.
Test         under the exact posterior model and second reference are exchangeable, so that the sign of
             MMD²(model, first) − MMD²(second, first) is a coin for every observation: exact sign-flip test.
Verdict      green: p at least the level. Amber: below, but the mean above the floor is under 0.01. Red
             otherwise.
"""

from __future__ import annotations

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import DIAGNOSTICS, NON_FINITE_SHARE, Diagnostic, dataset
from workbench.diagnostics.checks.references import beside_references
from workbench.divergences import mmd_squared
from workbench.inference.statistics import percent, sign_flip

SMALL = 0.01


@DIAGNOSTICS.register
class PosteriorMmd(Diagnostic):
    """Err_post with its floor."""

    key = "posterior_mmd"
    title = "Posterior distance"
    summary = (
        "Squared distance (MMD²) of the model's posterior to the exact one, beside that of two exact sets."
    )
    reference = "Kruse et al. 2021, arXiv 2101.10763, equation 10; Gretton et al. 2012"
    checked = "How far the posterior is from the exact one, in the kernel distance MMD²."
    remedy = "Train longer, on more simulations, or with a larger network; then look at calibration for how."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.REFERENCE_POSTERIOR})
    thorough = {"observations": 100, "draws": 1000}

    observations = param.Integer(20, bounds=(12, 1000), doc="Number of fresh observations.")
    draws = param.Integer(250, bounds=(20, 5000), doc="Draws of the model and of each reference set.")

    def _measure(self, fitted, problem, seed):
        found = beside_references(fitted, problem, self.observations, self.draws, seed)
        data, lost, kept = found.data, found.lost, [part.row for part in found.sets]
        rows = [_distances(part.model, part.first, part.second, found.scale) for part in found.sets]
        table = np.asarray(rows).reshape(-1, 5)
        excess = table[:, 3] - table[:, 4]
        p = sign_flip(excess, np.random.default_rng(seed)) if len(table) >= 8 else 0.0
        above = float(excess.mean()) if len(table) else np.inf
        verdict = "red" if lost > NON_FINITE_SHARE or not len(table) else _verdict(p, self.level, above)
        error, floor = (float(table[:, k].mean()) if len(table) else np.nan for k in (0, 2))
        return dataset(
            {
                "error": ((), error, {"long_name": "Err_post: unbiased MMD², raw units"}),
                "biased_error": ((), float(table[:, 1].mean()) if len(table) else np.nan),
                "floor": ((), floor, {"long_name": "unbiased MMD² between two reference sets, raw units"}),
                "standardised_error": ((), float(table[:, 3].mean()) if len(table) else np.nan),
                "standardised_floor": ((), float(table[:, 4].mean()) if len(table) else np.nan),
                "error_by_observation": ("kept", table[:, 0]),
                "floor_by_observation": ("kept", table[:, 2]),
                "observation": (("kept", "observed"), data.y.numpy()[kept].reshape(len(kept), -1)),
                "p": ((), p),
                "non_finite_share": ((), lost),
            },
            verdict=verdict,
            sentence=_sentence(error, floor, p, lost, found.skipped),
            data=data,
            observed=("observed", [v.name for v in problem.y]),
        )


def _distances(model, first, second, scale) -> list[float]:
    """Raw: unbiased, biased, floor; in standard deviations: unbiased, floor."""
    raw = [
        mmd_squared(model, first, unbiased=True),
        mmd_squared(model, first),
        mmd_squared(second, first, unbiased=True),
    ]
    model, first, second = (part / scale for part in (model, first, second))
    scaled = [mmd_squared(model, first, unbiased=True), mmd_squared(second, first, unbiased=True)]
    return [float(value) for value in (*raw, *scaled)]


def _verdict(p: float, level: float, above: float) -> str:
    if p >= level:
        return "green"
    return "amber" if above < SMALL else "red"


def _sentence(error: float, floor: float, p: float, lost: float, skipped: int) -> str:
    said = f"Squared distance to the exact posterior {error:.3g}, of two exact sets {floor:.2g}; p {p:.2g}."
    if lost > NON_FINITE_SHARE:
        said = f"{percent(lost)} of the posterior's draws are not finite. " + said
    return said + (f" {skipped} observations had no reference." if skipped else "")
