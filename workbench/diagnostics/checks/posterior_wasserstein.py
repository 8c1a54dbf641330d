"""How far the model's posterior must be moved to become the exact one, over many observations.

W2           root of the least mean squared distance over all pairings of the model's draws with exact ones
Sliced W2    the same on a line, root of the mean of its square over drawn directions
Units        standard deviations of the exact posterior at that observation (of the first exact set)
Floor        the same between two exact sets: what an exact model would score, and in many dimensions not
             small
Test         as for the posterior distance: the sign of W2²(model, first) − W2²(second, first) is a coin for
             every observation when the model is exact; of both distances the smaller p value, doubled
Verdict      green: p at least the level. Amber: below, but the excess of W2² over the floor is under 0.02 a
             dimension (a shift of a seventh of a standard deviation). Red otherwise.
"""

from __future__ import annotations

import numpy as np
import param
import torch

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import DIAGNOSTICS, NON_FINITE_SHARE, Diagnostic, dataset
from workbench.diagnostics.checks.references import Beside, beside_references
from workbench.diagnostics.two_samples import exact_wasserstein
from workbench.divergences import DIVERGENCES
from workbench.inference.statistics import percent, sign_flip

SMALL = 0.02
_FEWEST = 8


@DIAGNOSTICS.register
class PosteriorWasserstein(Diagnostic):
    """Exact and sliced W2 with their floors."""

    key = "posterior_wasserstein"
    title = "Transport distance"
    summary = "Exact and sliced W2 of the model's posterior to the exact one, beside those of two exact sets."
    reference = "Kantorovich 1942; Bonneel et al. 2015 (sliced)"
    checked = "How far the posterior's draws would have to be moved to become draws of the exact posterior."
    remedy = "Train longer, on more simulations, or with a larger network; then look at calibration for how."
    needs_problem = frozenset({Capability.OBSERVATION, Capability.REFERENCE_POSTERIOR})
    thorough = {"observations": 100, "draws": 500}

    observations = param.Integer(20, bounds=(12, 1000), doc="Number of fresh observations.")
    draws = param.Integer(150, bounds=(20, 2000), doc="Draws of the model and of each exact set.")
    slices = param.Integer(50, bounds=(1, 10_000), doc="Directions of the sliced distance.")

    def _measure(self, fitted, problem, seed):
        found = beside_references(fitted, problem, self.observations, self.draws, seed)
        sliced = DIVERGENCES.make("sliced_wasserstein", order=2, slices=self.slices)
        usable = [part for part in found.sets if len(part.model) == len(part.first)]
        table = np.asarray([_squared(part, sliced) for part in usable]).reshape(-1, 4)
        enough = len(table) >= _FEWEST
        generator = np.random.default_rng(seed)
        p = [sign_flip(table[:, k] - table[:, k + 1], generator) if enough else 0.0 for k in (0, 2)]
        p, features = min(1.0, 2 * min(p)), len(found.scale)
        excess = float((table[:, 0] - table[:, 1]).mean()) if enough else np.inf
        mean = np.sqrt(table.mean(0)) if len(table) else np.full(4, np.nan)
        verdict = "green" if p >= self.level else "amber" if excess < SMALL * features else "red"
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
                "non_finite_share": ((), found.lost),
            },
            verdict="red" if found.lost > NON_FINITE_SHARE or not enough else verdict,
            sentence=_sentence(mean, p, found.lost, found.skipped),
            data=found.data,
        )


def _squared(part: Beside, sliced) -> list[float]:
    """W2² model and floor, then the sliced ones."""
    scale = part.first.std(0).clamp(min=1e-12)
    model, first, second = (t / scale for t in (part.model, part.first, part.second))
    exact = [exact_wasserstein(one.numpy(), first.numpy()) ** 2 for one in (model, second)]
    # the same directions for both: their scatter cancels
    along = [float(sliced.between(one, first, torch.Generator().manual_seed(0))) for one in (model, second)]
    return exact + along


def _sentence(mean: np.ndarray, p: float, lost: float, skipped: int) -> str:
    said = (
        f"W2 to the exact posterior {mean[0]:.3g} of its standard deviations, of two exact sets "
        f"{mean[1]:.3g} (sliced {mean[2]:.2g} and {mean[3]:.2g}); p {p:.2g}."
    )
    if lost > NON_FINITE_SHARE:
        said = f"{percent(lost)} of the posterior's draws are not finite. " + said
    return said + (f" {skipped} observations had no reference." if skipped else "")
