"""How good a network's posterior is where the exact one is known, beside the ruler that VINA's §4.1 uses.

Resimulation  mean of ‖f(x̂) − y‖ over draws x̂ of p(x | y): the paper's "ℓ2-distance". A point at any x with
              f(x) = y is perfect by it, so it says nothing of the width of a posterior
MMD²          unbiased, to draws of the exact posterior, in standard deviations of the prior; 0 is perfect
C2ST          held-out accuracy of a classifier between the network's draws and exact ones, mean over the
              observations; ½ is perfect, 1 the worst. Where y has no noise the exact posterior lies on a
              surface, and a network tells a thin layer around it apart: it says nearly 1 of everything
              here. The vote of nearest neighbours (see `diagnostics.c2st`) compares shapes
Spread        standard deviation of the draws over that of the exact ones, mean over x; below 1 is too narrow
Calibration   median of |coverage − q| over the central intervals of mass q, as in the published comparison
Lipschitz     largest slopes of T and of T⁻¹ at data and at draws: lower bounds, in standardised units
Sources: VINA, arXiv:2602.20480, section 4.1; Lopez-Paz & Oquab 2017, arXiv:1610.06545 (C2ST);
Gretton et al. 2012, JMLR 13.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workbench import diagnostics, theory
from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.problems import Problem
from workbench.studies import sample_metrics
from workbench.studies.base import Column
from workbench.studies.samplers import NetworkSampler
from workbench.training import FittedModel

#: Points of each kind at which slopes are taken, and the fewest draws for a classifier.
_SLOPES, _FEWEST = 100, 40
#: A component of the exact posterior that is narrower counts as fixed by the observation.
_FIXED = 1e-6

COLUMNS = (
    Column("resimulation_distance", "‖f(x̂) − y‖", "", "low"),
    Column("mmd", "MMD²", "", "low"),
    Column("c2st", "C2ST", "", "low"),
    Column("spread", "spread"),
    Column("calibration_error", "calibration", "", "low"),
    Column("lipschitz", "Lip T", "", "low"),
    Column("lipschitz_inverse", "Lip T⁻¹", "", "low"),
    Column("training_minutes", "training", "min", "low"),
)


def fresh_pairs(problem: Problem, observations: int, draws: int, seed: int) -> xr.Dataset:
    """Fresh pairs with draws of their exact posteriors, and the spread of the prior.

    Observations far out, for which no exact draw can be had in reasonable time, are left out.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = problem.draw(2 * observations, generator)
    kept, exact = [], []
    for i in range(len(pairs)):
        if len(kept) == observations:
            break
        try:
            exact.append(problem.reference_posterior(pairs.y[i], draws, generator))
            kept.append(i)
        except DataError:
            continue
    return xr.Dataset(
        {
            "x": (("observation", "parameter"), pairs.x[kept].numpy()),
            "y": (("observation", "observed"), pairs.y[kept].numpy()),
            "reference": (("observation", "draw", "parameter"), torch.stack(exact).float().numpy()),
            "scale": ("parameter", problem.draw(20_000, generator).x.std(0).numpy()),
        },
        coords={"parameter": [v.name for v in problem.x], "observed": [v.name for v in problem.y]},
    )


def judged(fitted: FittedModel, problem: Problem, test: xr.Dataset, *, seed: int) -> dict:
    """The numbers of a network by the name of their column, and ``mmd_each`` (observation,).

    ``test`` is what `fresh_pairs` gives. Draws that are not finite are left out, and counted in
    ``non_finite_share``.
    """
    truth, y, scale = (torch.from_numpy(test[n].values).double() for n in ("x", "y", "scale"))
    reference = torch.from_numpy(test["reference"].values).double()
    generator = torch.Generator().manual_seed(seed)
    draws = NetworkSampler(fitted).draw(y, reference.shape[1], generator)
    finite = draws.isfinite().all(-1).numpy()
    each = sample_metrics.posterior_errors(draws, reference, scale)
    found = {
        "resimulation_distance": _resimulated(draws, y, problem, generator),
        "mmd": _mean(each),
        "c2st": _mean([told_apart(a, b) for a, b in zip(draws, reference, strict=True)]),
        "spread": spread(draws, reference),
        "calibration_error": float(sample_metrics.calibration_error(truth, draws).mean()),
        "non_finite_share": float(1 - finite.mean()),
    }
    constants = slopes(fitted, truth, y, draws[:, 0])
    found |= {"lipschitz": constants.forward, "lipschitz_inverse": constants.inverse}
    return {name: ((), value) for name, value in found.items()} | {"mmd_each": ("observation", each)}


def _resimulated(draws: Tensor, y: Tensor, problem: Problem, generator: torch.Generator) -> float:
    """Mean distance over finite draws; NaN where the problem cannot be simulated."""
    if Capability.SIMULATE not in problem.capabilities:
        return math.nan
    squared = sample_metrics.resimulated(draws, y, problem, generator)
    return _mean(np.sqrt(squared))


def told_apart(draws: Tensor, reference: Tensor) -> float:
    """C2ST by nearest neighbours of draws (n, D) and exact ones (m, D), over components that the observation
    leaves open.

    Draws that are not finite are left out; NaN where too few are left.
    """
    kept = draws[draws.isfinite().all(1)]
    free = reference.std(0) > _FIXED
    if len(kept) < _FEWEST or not bool(free.any()):
        return float("nan")
    return diagnostics.c2st(reference[:, free], kept[:, free], classifier="neighbours")


def spread(draws: Tensor, reference: Tensor) -> float:
    """Mean ratio of standard deviations of draws (n, m, D) and exact ones (n, k, D); components that the
    observation fixes do not count."""
    exact = reference.std(1)
    known = exact > _FIXED
    ratio = draws.std(1)[known] / exact[known]
    return _mean(ratio[ratio.isfinite()])


@torch.no_grad()
def slopes(fitted: FittedModel, x: Tensor, y: Tensor, drawn: Tensor) -> theory.LipschitzConstants:
    """The steepest slopes of a network at points x (n, D) with y (n, M) and at draws for the same y.

    A network with [y, z] is one bijection of its padded x; the others are bijections of x at fixed y. NaN
    where no point has a finite Jacobian.
    """
    model, units = fitted.model, fitted.standardisation
    x, y, drawn = (v[:_SLOPES].to(model.device, model.dtype) for v in (x, y, drawn))
    points, twice = torch.cat([units.x_in(x), units.x_in(drawn)]), torch.cat([y, y])
    kept = points.isfinite().all(1)
    points, twice = points[kept], units.y_in(twice[kept])
    try:
        if Capability.FORWARD in model.capabilities:
            return theory.bijection_constants(lambda u: model.forward_full(u)[0], model.pad_x(points))
        return theory.bijection_constants(lambda u: model.latent(u, twice)[0], points)
    except DataError:
        return theory.LipschitzConstants(math.nan, math.nan, "measured")


def _mean(values) -> float:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")
