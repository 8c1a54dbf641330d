"""Markov chain moves of an ensemble of draws, which leave a density invariant.

Each draw is moved along differences of others, so that the shape of the ensemble sets length and direction
of the moves, and a difference between two modes leads from one to the other.
Source: ter Braak 2006 (differential evolution Markov chain), Statistics and Computing 16, as implemented
        in emcee (Foreman-Mackey et al. 2013, arXiv 1202.3665). emcee's snooker moves are not used: they
        divide by distances between draws, which are zero after resampling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch
from workbench.core.scale import column_scale

if TYPE_CHECKING:
    from torch import Tensor


class WalkerEnsemble:
    """Ensemble of walkers at x (N, D), float64, with its own state of random numbers.

    The unit of each component is its standard deviation over the walkers at the start.
    """

    def __init__(self, x: Tensor, generator: torch.Generator) -> None:
        seed = int(torch.randint(2**31, (1,), generator=generator))
        self._random = np.random.RandomState(seed).get_state()
        self.x, self._centre = x, x.mean(0)
        self._unit = column_scale(x)

    def move(self, log_target: Callable[[Tensor], Tensor], sweeps: int) -> float:
        """Move walkers ``sweeps`` times under ``log_target`` (n, D) -> (n,); return the acceptance rate."""
        from workbench.problems.ensemble_sampler import walkers

        if sweeps < 1:
            return float("nan")

        errors: list[WorkbenchError] = []

        def log_density(u: Tensor) -> Tensor:
            try:
                return log_target(self._centre + self._unit * u)
            except WorkbenchError as error:  # raised below: emcee would print its own report of it
                errors.append(error)
                return torch.zeros(len(u), dtype=u.dtype)

        sampler = walkers(log_density, *self.x.shape, whole=0.15)
        sampler.random_state = self._random
        rates, before = [], ((self.x - self._centre) / self._unit).numpy()
        for after in sampler.sample(before, iterations=sweeps, store=False, skip_initial_state_check=True):
            if errors:
                raise errors[0]
            rates.append(float((after.coords != before).any(1).mean()))
            before = after.coords.copy()
        self._random = after.random_state
        self.x = self._centre + self._unit * torch.from_numpy(before)
        return float(np.mean(rates))
