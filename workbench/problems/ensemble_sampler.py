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
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import DataError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def resample(log_weights: Tensor, n: int, generator: torch.Generator, *, shuffled: bool = True) -> Tensor:
    """Indices (n,) of rows in proportion to their weights exp(log_weights (m,)), in random order if
    ``shuffled``.

    Systematic: each row comes ⌊n w⌋ or ⌈n w⌉ times, so that as few as possible are repeated.
    """
    edges = log_weights.softmax(0).cumsum(0)
    start = torch.rand(1, generator=generator, dtype=torch.float64)
    levels = (torch.arange(n, dtype=torch.float64) + start) / n
    found = torch.searchsorted(edges, levels * edges[-1]).clamp(max=len(edges) - 1)
    return found[torch.randperm(n, generator=generator)] if shuffled else found


def walkers(log_density: Callable[[Tensor], Tensor], n: int, columns: int, *, whole: float = 0.1) -> Any:
    """emcee's sampler of ``n`` walkers in ``columns`` dimensions under ``log_density`` (m, d) -> (m,).

    ``whole`` is the share of jumps by a whole difference of two others: it leads from one mode into another.
    """
    import emcee  # a third of a second to import, and only here

    def vectorised(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return log_density(torch.from_numpy(np.ascontiguousarray(points))).nan_to_num(-torch.inf).numpy()

    moves = [(emcee.moves.DEMove(), 1 - whole), (emcee.moves.DEMove(gamma0=1.0), whole)]
    return emcee.EnsembleSampler(n, columns, vectorised, moves=moves, vectorize=True)


def resampled(points: Tensor, log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` of the points (m, d), chosen with probabilities ∝ exp(log_weights (m,)), in order.

    Raises `DataError` where no weight is above zero.
    """
    if not log_weights.max().isfinite():
        raise DataError(
            "The posterior cannot be drawn",
            expected="an observation that the prior can make",
            found="no draw of the prior that makes it possible",
        )
    return points[resample(log_weights, n, generator, shuffled=False)]


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
    count, columns = start.shape
    scale = torch.where(start.std(0) > 0, start.std(0), start.abs().mean(0) + 1e-3)
    shaken = start + spread * scale * torch.randn(start.shape, generator=generator, dtype=start.dtype)
    start = torch.where(log_density(shaken).isfinite()[:, None], shaken, start)
    sampler = walkers(log_density, count, columns)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    sampler.random_state = np.random.RandomState(seed).get_state()
    looks = -(-n // count)
    state, found = start.numpy(), []
    for look in range(looks):
        steps = between if look else burn
        state = sampler.run_mcmc(state, steps, store=False, skip_initial_state_check=True)
        found.append(torch.from_numpy(state.coords.copy()))
    drawn = torch.cat(found)
    return drawn[torch.randperm(len(drawn), generator=generator)[:n]]
