"""Recovery from values that are not finite: roll back, halve the learning rate, and give up in the end."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.core.errors import NonFiniteError, RunError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from workbench.training.run import Run

_KEEP_EVERY = 25
_SLOWER = 0.5


@dataclass
class Guard:
    """Keeps a copy of the latest finite state of a run, and rolls back to it.

    Parameters
    ----------
    parts : objects with ``state_dict`` and ``load_state_dict`` by name (network, loss, optimisers); that
        named ``optimiser`` has ``is_finite``, which is true where all weights are finite.
    most_recoveries : number of recoveries before `NonFiniteError`.
    """

    parts: dict[str, Any]
    most_recoveries: int
    factor: float = 1.0
    recoveries: int = 0
    good: dict[str, Any] = field(default_factory=dict)
    good_iteration: int = -1

    def keep(self, iteration: int) -> None:
        """Copy the state if all weights are finite; most iterations are skipped, to save time."""
        if self.good and iteration % _KEEP_EVERY:
            return
        if self.parts["optimiser"].is_finite:
            self.good = {name: _copied(part.state_dict()) for name, part in self.parts.items()}
            self.good_iteration = iteration

    def recover(self, iteration: int, quantity: str) -> dict[str, Any]:
        """Roll back and halve the learning rate; returns the event for the run's list of events.

        ``quantity`` is the name of what was not finite. Raises `NonFiniteError` after too many recoveries.
        """
        if self.recoveries >= self.most_recoveries:
            raise NonFiniteError(
                f"Training stopped at iteration {iteration}: {quantity} is not finite",
                expected="finite numbers",
                found=f"{self.recoveries} recoveries did not help",
                suggestion="lower the learning rate, clip the gradient harder, or look at the kept "
                "batch for outliers",
            )
        self.recoveries += 1
        self.factor *= _SLOWER
        for name, part in self.parts.items():
            part.load_state_dict(_copied(self.good[name]))
        return {
            "kind": "recovery",
            "iteration": iteration,
            "learning_rate_factor": self.factor,
            "message": f"At iteration {iteration} {quantity} was not finite: went back to iteration "
            f"{self.good_iteration} and halved the learning rate "
            f"({self.recoveries} of {self.most_recoveries}).",
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the guard's state for checkpoints."""
        return {
            "factor": self.factor,
            "recoveries": self.recoveries,
            "good": self.good,
            "good_iteration": self.good_iteration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.factor, self.recoveries = state["factor"], state["recoveries"]
        self.good, self.good_iteration = state["good"], state["good_iteration"]


def _copied(state: Any) -> Any:
    """Copy dicts, lists and tensors; `copy.deepcopy` takes ten times as long."""
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_copied(value) for value in state)
    return copy.deepcopy(state)


def refuse_non_finite(run: Run) -> None:
    """Raise `RunError` where weights of a run's network, of its average or of its best are not finite."""
    states = {"weights": run.model.state_dict(), "best weights": run.best_state or {}}
    if run.average is not None:
        states["averaged weights"] = run.average.state
    names = [name for name, _ in run.model.named_parameters()]
    for noun, state in states.items():
        for name in names:
            if name in state and not torch.isfinite(state[name]).all():
                count = int((~torch.isfinite(state[name])).sum())
                raise RunError(
                    f"The checkpoint's {noun} are not usable",
                    expected="finite numbers",
                    found=f"{count} of {state[name].numel()} numbers in '{name}' are not finite",
                )


def finite(*values: float) -> bool:
    """Test whether all values are finite."""
    return all(math.isfinite(v) for v in values)
