"""Moves of a crowd of draws that leave a density as it is.

Each draw is moved along differences of others, so that the crowd's own shape sets length and direction of
the moves, and a difference between two modes leads from one to the other.
Source: ter Braak 2006 (differential evolution Markov chain), Statistics and Computing 16, as implemented
        in emcee (Foreman-Mackey et al. 2013, arXiv 1202.3665). Its snooker moves divide by distances between
        draws, which are zero after resampling.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from workbench.core.errors import WorkbenchError
from workbench.problems.ensemble_sampler import walkers


class Crowd:
    """Draws x (N, D), float64, and what moves them.

    The unit of each component is its spread over the draws at the start.
    """

    def __init__(self, x: Tensor, generator: torch.Generator) -> None:
        seed = int(torch.randint(2**31, (1,), generator=generator))
        self._random = np.random.RandomState(seed).get_state()
        self.x, self._centre = x, x.mean(0)
        spread = x.std(0)
        self._unit = torch.where(spread > 0, spread, torch.ones_like(spread))

    def move(self, log_target: Callable[[Tensor], Tensor], sweeps: int) -> float:
        """Move every draw ``sweeps`` times under ``log_target`` (n, D) -> (n,); the share accepted."""
        if sweeps < 1:
            return float("nan")

        failed: list[WorkbenchError] = []

        def log_density(u: Tensor) -> Tensor:
            try:
                return log_target(self._centre + self._unit * u)
            except WorkbenchError as error:  # raised below: emcee would print its own report of it
                failed.append(error)
                return torch.zeros(len(u), dtype=u.dtype)

        sampler = walkers(log_density, *self.x.shape, whole=0.15)
        sampler.random_state = self._random
        accepted, before = [], ((self.x - self._centre) / self._unit).numpy()
        for after in sampler.sample(before, iterations=sweeps, store=False, skip_initial_state_check=True):
            if failed:
                raise failed[0]
            accepted.append(float((after.coords != before).any(1).mean()))
            before = after.coords.copy()
        self._random = after.random_state
        self.x = self._centre + self._unit * torch.from_numpy(before)
        return float(np.mean(accepted))
