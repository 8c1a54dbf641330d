"""Metrics of a posterior sampler as functions of its draws, with the formulas of Kruse et al. 2021.

n observations y_i, m draws x_ij of each, simulator s, M components of y.

Err_post     (1/n) Σ_i MMD²( model(· | y_i), exact(· | y_i) ), the unbiased U-statistic with the kernel
             Σ_h 1 / (1 + d²/h²), h in {0.05, 0.2, 0.9}, x in raw units; also in standard deviations of the
             prior.
Err_resim    (1/n) Σ_i min(10, (1/m) Σ_j ‖s(x_ij) − y_i‖²), in squared units of y.
r_T          (1/n) Σ_i min over j ≤ T of (1/M) ‖s(x_ij) − y_i‖², the best of T guesses.
Calibration  for q = 1/101, …, 100/101: fraction of truths inside the central interval of mass q, minus q; the
             median of its absolute value, averaged over the components of x.

Sources: Kruse et al. 2021, arXiv 2101.10763, eqs. 2, 10 and 11; Ren, Padilla & Malof 2020, arXiv 2009.12919;
Ardizzone et al. 2019, arXiv 1808.04730, section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems import Problem

#: Upper bound on the error of one observation, as published.
CLAMP = 10.0
#: Numbers T of guesses in r_T.
GUESSES = (1, 10, 50)
LEVELS = np.arange(1, 101) / 101


def posterior_errors(draws: Tensor, reference: Tensor, scale: Tensor | None = None) -> np.ndarray:
    """Unbiased MMD² of each observation (n,), from draws (n, m, D) and reference draws (n, k, D).

    ``scale`` (D,) divides both. Draws that are not finite are left out; NaN where fewer than two are left.
    """
    from workbench.divergences import mmd_squared

    scale = torch.ones(draws.shape[2], dtype=draws.dtype, device=draws.device) if scale is None else scale
    errors = []
    for mine, exact in zip(draws, reference, strict=True):
        mine = mine[mine.isfinite().all(1)]
        errors.append(
            float(mmd_squared(mine / scale, exact / scale, unbiased=True)) if len(mine) > 1 else float("nan")
        )
    return np.asarray(errors)


def resimulation_distances(
    draws: Tensor, observations: Tensor, problem: Problem, generator: torch.Generator
) -> np.ndarray:
    """Squared distances ‖s(x) − y‖² (n, m) of the simulations of draws x (n, m, D) to observations y (n, M).

    A draw outside the bounds of x is moved to the nearest point inside, where the simulator s is defined; a
    draw that is not finite gets an infinite distance.
    """
    low, high = (torch.tensor([getattr(v, end) for v in problem.x]).double() for end in ("low", "high"))
    count, each, _ = draws.shape
    inside = torch.minimum(torch.maximum(draws.nan_to_num(), low), high).reshape(count * each, -1)
    answers = problem.simulate(inside, generator).reshape(count, each, -1)
    distances = (answers - observations[:, None]).square().sum(-1)
    return torch.where(draws.isfinite().all(-1), distances, torch.inf).double().numpy()


def resimulation_errors(distances: np.ndarray) -> np.ndarray:
    """Error Err_resim of each observation (n,): the mean of its squared distances (n, m), at most `CLAMP`."""
    return np.minimum(distances.mean(1), CLAMP)


def best_of(distances: np.ndarray, guesses: int, components: int) -> np.ndarray:
    """Error r_T of the best of T = ``guesses`` draws at each observation (n,): the least of its first T
    squared distances (n, m), over the number of ``components`` of y, at most `CLAMP`."""
    return np.minimum(distances[:, :guesses].min(1) / components, CLAMP)


def calibration_error(truth: Tensor, draws: Tensor, seed: int = 0) -> np.ndarray:
    """Calibration error of each component (D,): median over q of |coverage − q|, for truths (n, D) and
    draws (n, m, D)."""
    from workbench.inference.statistics import uniform_ranks

    u = uniform_ranks(truth.numpy(), draws.numpy(), np.random.default_rng(seed))
    coverage = (np.abs(u[..., None] - 0.5) <= LEVELS / 2).mean(0) - LEVELS
    return np.median(np.abs(coverage), axis=1)
