"""Markov chain Monte Carlo with an ensemble of walkers, for a density that is known up to a constant.

Sampler:    emcee's, with moves by differential evolution. A walker jumps along the difference of two
            others, so that scales and correlations need no tuning, and a jump from one mode to another is
            one such difference.
Start:      draws of the prior, resampled with their likelihoods as weights. With enough of them the fraction
            of walkers in each mode starts near the mode's probability; the chain corrects the rest.
Source:     ter Braak 2006, Statistics and Computing 16; ter Braak & Vrugt 2008, Statistics and Computing 18;
            Foreman-Mackey et al. 2013, emcee, arXiv 1202.3665.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import DataError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    import emcee
    from torch import Tensor


def resample(log_weights: Tensor, n: int, generator: torch.Generator, *, shuffled: bool = True) -> Tensor:
    """Draw ``n`` of m rows with replacement, in proportion to exp(log_weights (m,)); return indices (n,).

    Systematic resampling: a row with normalised weight w is drawn ⌊n w⌋ or ⌈n w⌉ times, so that few rows
    repeat. The order is random if ``shuffled``.
    """
    edges = log_weights.softmax(0).cumsum(0)
    start = torch.rand(1, generator=generator, dtype=torch.float64)
    levels = (torch.arange(n, dtype=torch.float64) + start) / n
    rows = torch.searchsorted(edges, levels * edges[-1]).clamp(max=len(edges) - 1)
    return rows[torch.randperm(n, generator=generator)] if shuffled else rows


def walkers(
    log_density: Callable[[Tensor], Tensor], n: int, columns: int, *, whole: float = 0.1
) -> emcee.EnsembleSampler:
    """Return emcee's sampler of ``n`` walkers in ``columns`` dimensions under ``log_density`` (m, d) -> (m,).

    ``whole`` is the fraction of differential-evolution moves with γ = 1, which jump by the whole difference
    of two other walkers and so from one mode to another.
    """
    import emcee  # takes a third of a second

    def vectorised(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return log_density(torch.from_numpy(np.ascontiguousarray(points))).nan_to_num(-torch.inf).numpy()

    moves = [(emcee.moves.DEMove(), 1 - whole), (emcee.moves.DEMove(gamma0=1.0), whole)]
    return emcee.EnsembleSampler(n, columns, vectorised, moves=moves, vectorize=True)


def resampled(points: Tensor, log_weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw ``n`` of the ``points`` (m, d) with replacement, in proportion to exp(log_weights (m,)).

    Returns (n, d), in the order of ``points``.

    Raises `DataError` if all weights are zero.
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
    """Draw ``n`` points (n, d), float64, in random order, with walkers that start at ``start`` (w, d).

    Parameters
    ----------
    log_density : (m, d) -> (m,) in nats, up to a constant; -inf off the support.
    start : one point for each walker, w at least 2 d + 2. Noise of the size ``spread`` times the standard
        deviation of a column separates equal points; it is used only where the density stays above zero.
    burn, between : steps before the walkers' positions are first taken as draws, and steps between two such
        times.
    """
    count, columns = start.shape
    scale = torch.where(start.std(0) > 0, start.std(0), start.abs().mean(0) + 1e-3)
    proposal = start + spread * scale * torch.randn(start.shape, generator=generator, dtype=start.dtype)
    start = torch.where(log_density(proposal).isfinite()[:, None], proposal, start)
    sampler = walkers(log_density, count, columns)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    sampler.random_state = np.random.RandomState(seed).get_state()
    state, states = start.numpy(), []
    for i in range(-(-n // count)):
        steps = between if i else burn
        state = sampler.run_mcmc(state, steps, store=False, skip_initial_state_check=True)
        states.append(torch.from_numpy(state.coords.copy()))
    draws = torch.cat(states)
    return draws[torch.randperm(len(draws), generator=generator)[:n]]
