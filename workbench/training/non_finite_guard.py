"""The non-finite guard: roll back to the last good state, lower the learning rate, keep the batch, give up
in the end."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.core.errors import NonFiniteError

_KEEP_EVERY = 25
_SLOWER = 0.5


@dataclass
class Guard:
    """Keeps the last good state of the things it watches.

    Parameters
    ----------
    watched : objects with ``state_dict`` and ``load_state_dict`` (network, loss, optimisers).
    allowed : how many recoveries before `NonFiniteError`.
    """

    watched: dict[str, Any]
    allowed: int
    factor: float = 1.0
    recoveries: int = 0
    good: dict[str, Any] = field(default_factory=dict)
    good_iteration: int = -1

    def keep(self, iteration: int) -> None:
        """Take a copy every few steps; a state that is not finite itself is never kept."""
        if self.good and iteration % _KEEP_EVERY:
            return
        if all(torch.isfinite(p).all() for p in self.watched["model"].parameters()):
            self.good = {k: copy.deepcopy(w.state_dict()) for k, w in self.watched.items()}
            self.good_iteration = iteration

    def recover(self, iteration: int, what: str) -> dict[str, Any]:
        """Go back and slow down; returns the event. Raises `NonFiniteError` when that was done too often."""
        if self.recoveries >= self.allowed:
            raise NonFiniteError(
                f"Training stopped at iteration {iteration}: {what} is not finite",
                expected="finite numbers",
                found=f"{self.recoveries} recoveries did not help",
                suggestion="lower the learning rate, clip the gradient harder, or look at the kept "
                "batch for outliers",
            )
        self.recoveries += 1
        self.factor *= _SLOWER
        for name, watched in self.watched.items():
            watched.load_state_dict(copy.deepcopy(self.good[name]))
        return {
            "kind": "recovery",
            "iteration": iteration,
            "learning_rate_factor": self.factor,
            "message": f"At iteration {iteration} {what} was not finite: went back to iteration "
            f"{self.good_iteration} and halved the learning rate "
            f"({self.recoveries} of {self.allowed}).",
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "factor": self.factor,
            "recoveries": self.recoveries,
            "good": self.good,
            "good_iteration": self.good_iteration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.factor, self.recoveries = state["factor"], state["recoveries"]
        self.good, self.good_iteration = state["good"], state["good_iteration"]


def finite(*values: float) -> bool:
    return all(math.isfinite(v) for v in values)
