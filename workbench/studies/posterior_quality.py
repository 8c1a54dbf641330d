"""Quality of a network's posterior against the exact one, beside the metric that VINA's §4.1 uses.

Resimulation  mean of ‖f(x̂) − y‖ over draws x̂ of p(x | y), with f the simulator: VINA's "ℓ2-distance". It is
              zero for a point at any x with f(x) = y, so that it does not measure the width of a posterior
MMD²          unbiased, to draws of the exact posterior, in standard deviations of the prior; 0 is perfect
C2ST          held-out accuracy of a classifier between the network's draws and exact ones, mean over the
              observations; ½ is perfect, 1 the worst. Where y has no noise the exact posterior lies on a
              surface and a network separates any thin layer around it from it, so that it gives nearly 1
              everywhere; the vote of nearest neighbours (see `diagnostics.c2st`) compares shapes instead
Spread        standard deviation of the draws over that of the exact ones, mean over x; below 1 is too narrow
Calibration   median of |coverage − q| over the central intervals of mass q, as in Kruse et al. 2021
Lipschitz     largest slopes of the network T and of T⁻¹ at data and at draws: lower bounds of their Lipschitz
              constants, in standardised units

Sources: VINA, arXiv:2602.20480, section 4.1; Lopez-Paz & Oquab 2017, arXiv:1610.06545 (C2ST); Gretton et al.
2012, JMLR 13 (MMD).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.inference.reference_posteriors import reference_sets
from workbench.studies import sample_metrics
from workbench.studies.base import Column
from workbench.studies.samplers import NetworkSampler

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference import FittedModel
    from workbench.problems import Problem
    from workbench.theory import LipschitzConstants

#: Data points, and draws, at which slopes are computed; and the fewest finite draws for a C2ST.
_SLOPES, _FEWEST = 100, 40
#: Standard deviation of the exact posterior below which a component counts as fixed by the observation, as a
#: fraction of its largest value.
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
    """Draw fresh pairs with draws of their exact posteriors (``reference``) and the prior's standard
    deviation (``scale``).

    Observations far out, for which the problem gives no exact draws, are left out; the attribute ``skipped``
    counts them.
    """
    import xarray as xr

    generator = torch.Generator().manual_seed(seed)
    pairs = problem.draw(2 * observations, generator)
    exact = reference_sets(problem, pairs.y, draws, generator, limit=observations)
    rows = list(exact)
    return xr.Dataset(
        {
            "x": (("observation", "parameter"), pairs.x[rows].numpy()),
            "y": (("observation", "observed"), pairs.y[rows].numpy()),
            "reference": (
                ("observation", "draw", "parameter"),
                torch.stack(list(exact.values())).float().numpy(),
            ),
            "scale": ("parameter", problem.draw(20_000, generator).x.std(0).numpy()),
        },
        coords={"parameter": [v.name for v in problem.x], "observed": [v.name for v in problem.y]},
        attrs={"skipped": (rows[-1] + 1 if rows else 0) - len(rows)},
    )


def evaluate_posterior(fitted: FittedModel, problem: Problem, test: xr.Dataset, *, seed: int) -> dict:
    """Return metrics of a network's posteriors by column name, and the MMD² of every observation as
    ``mmd_each``.

    ``test`` comes from `fresh_pairs`. Draws that are not finite are left out, and counted in
    ``non_finite_share``.
    """
    truth, y, scale = (torch.from_numpy(test[n].values).double() for n in ("x", "y", "scale"))
    reference = torch.from_numpy(test["reference"].values).double()
    generator = torch.Generator().manual_seed(seed)
    draws = NetworkSampler(fitted).draw(y, reference.shape[1], generator)
    finite = draws.isfinite().all(-1).numpy()
    each = sample_metrics.posterior_errors(draws, reference, scale)
    numbers = {
        "resimulation_distance": _resimulation_distance(draws, y, problem, generator),
        "mmd": _mean(each),
        "c2st": _mean([neighbour_c2st(a, b) for a, b in zip(draws, reference, strict=True)]),
        "spread": spread(draws, reference),
        "calibration_error": float(sample_metrics.calibration_error(truth, draws).mean()),
        "non_finite_share": float(1 - finite.mean()),
    }
    constants = slopes(fitted, truth, y, draws[:, 0])
    numbers |= {"lipschitz": constants.forward, "lipschitz_inverse": constants.inverse}
    return {name: ((), value) for name, value in numbers.items()} | {"mmd_each": ("observation", each)}


def _resimulation_distance(draws: Tensor, y: Tensor, problem: Problem, generator: torch.Generator) -> float:
    """Mean of ‖f(x̂) − y‖ over finite draws x̂; NaN where the problem has no simulator f."""
    if Capability.SIMULATE not in problem.capabilities:
        return math.nan
    distances = sample_metrics.resimulation_distances(draws, y, problem, generator)
    return _mean(np.sqrt(distances))


def neighbour_c2st(draws: Tensor, reference: Tensor) -> float:
    """C2ST by nearest neighbours between draws (n, D) and exact draws (m, D).

    Components fixed by the observation are left out, and so are draws that are not finite; NaN where too few
    are left.
    """
    from workbench import diagnostics

    finite = draws[draws.isfinite().all(1)]
    free = reference.std(0) > _FIXED * reference.abs().amax(0)
    if len(finite) < _FEWEST or not bool(free.any()):
        return float("nan")
    return diagnostics.c2st(reference[:, free], finite[:, free], classifier="neighbours")


def spread(draws: Tensor, reference: Tensor) -> float:
    """Ratio of the standard deviations of draws (n, m, D) and exact draws (n, k, D), averaged over
    observations and over the components that the observation does not fix."""
    exact = reference.std(1)
    free = exact > _FIXED * reference.abs().amax((0, 1))
    ratio = draws.std(1)[free] / exact[free]
    return _mean(ratio[ratio.isfinite()])


def slopes(fitted: FittedModel, x: Tensor, y: Tensor, draws: Tensor) -> LipschitzConstants:
    """Largest slopes of a network and of its inverse at points x (n, D) with y (n, M) and at draws (n, D) for
    the same y.

    An INN from x to [y, z] is one bijection of its padded x; other networks are bijections of x at fixed y.
    NaN where no point has a finite Jacobian.
    """
    from workbench import theory

    model, units = fitted.model, fitted.standardisation
    x, y, draws = (v[:_SLOPES] for v in (x, y, draws))
    with torch.no_grad():
        points = torch.cat([units.x_in(x), units.x_in(draws)]).to(model.device, model.dtype)
        finite = points.isfinite().all(1)
        points, twice = points[finite], units.y_in(torch.cat([y, y])).to(points)[finite]
        try:
            if Capability.FORWARD in model.capabilities:
                return theory.bijection_constants(lambda u: model.forward_full(u)[0], model.pad_x(points))
            return theory.bijection_constants(lambda u: model.latent(u, twice)[0], points)
        except DataError:
            return theory.LipschitzConstants(math.nan, math.nan, "measured")


def _mean(values: Iterable[float]) -> float:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")
