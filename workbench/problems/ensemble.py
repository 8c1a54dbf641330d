"""Draws of a density that is known up to a constant, by an ensemble of walkers.

Sampler:    emcee's, with moves by differential evolution. A walker jumps along the difference of two
            others, so that scales and correlations need no tuning, and a jump from one mode to another is
            one such difference.
Start:      draws of the prior, chosen anew with their likelihoods as weights. With enough of them every
            mode starts with about its share of the walkers; the chain mends what the weights left.
Source:     ter Braak 2006, Statistics and Computing 16; ter Braak & Vrugt 2008, Statistics and Computing 18;
            Foreman-Mackey et al. 2013, emcee, arXiv 1202.3665.
"""

from __future__ import annotations

from collections.abc import Callable

import emcee
import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import DataError


def resampled(points: Tensor, log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` of the points (m, d), chosen with probabilities ∝ exp(log_weights (m,)): systematic resampling.

    Raises `DataError` where no weight is above zero.
    """
    highest = log_weights.max()
    if not highest.isfinite():
        raise DataError(
            "The posterior cannot be drawn",
            expected="an observation that the prior can make",
            found="no draw of the prior that makes it possible",
        )
    levels = (log_weights - highest).exp().cumsum(0)
    marks = (torch.arange(n, dtype=levels.dtype) + torch.rand(1, generator=generator, dtype=levels.dtype)) / n
    return points[torch.searchsorted(levels, marks * levels[-1]).clamp(max=len(points) - 1)]


def ensemble_draws(
    log_density: Callable[[Tensor], Tensor],
    start: Tensor,
    n: int,
    generator: torch.Generator,
    *,
    spread: float = 1e-3,
    burn: int = 200,
    between: int = 100,
) -> Tensor:
    """``n`` draws (n, d), float64, shuffled, from walkers that start at ``start`` (w, d), w at least 2 d + 2.

    Parameters
    ----------
    log_density : (m, d) -> (m,) in nats, up to a constant; -inf off the support.
    start : one place a walker; equal ones are told apart by noise of the size ``spread`` times the standard
        deviation of their column, kept only where the density is above zero.
    burn, between : steps before the first look at the walkers, and between two looks.
    """
    walkers, columns = start.shape
    scale = torch.where(start.std(0) > 0, start.std(0), start.abs().mean(0) + 1e-3)
    shaken = start + spread * scale * torch.randn(start.shape, generator=generator, dtype=start.dtype)
    start = torch.where(log_density(shaken).isfinite()[:, None], shaken, start)
    # a whole difference now and then: it leads from one mode into the other
    moves = [(emcee.moves.DEMove(), 0.9), (emcee.moves.DEMove(gamma0=1.0), 0.1)]

    def vectorised(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return log_density(torch.from_numpy(points)).nan_to_num(-torch.inf).numpy()

    sampler = emcee.EnsembleSampler(walkers, columns, vectorised, moves=moves, vectorize=True)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    sampler.random_state = np.random.RandomState(seed).get_state()
    looks = -(-n // walkers)
    state, found = start.numpy(), []
    for look in range(looks):
        steps = between if look else burn
        state = sampler.run_mcmc(state, steps, store=False, skip_initial_state_check=True)
        found.append(torch.from_numpy(state.coords.copy()))
    drawn = torch.cat(found)
    return drawn[torch.randperm(len(drawn), generator=generator)[:n]]
