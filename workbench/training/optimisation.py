"""Optimisers, the learning-rate schedule and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.core.lazy import torch
from workbench.training.flat_adam import FlatAdam

if TYPE_CHECKING:
    from torch import nn

    from workbench.training.settings import Training

_FLOOR = 0.01


def make_optimiser(parameters: Iterable[nn.Parameter], settings: Training) -> FlatAdam:
    """Build Adam or AdamW from the settings. Its betas are set by the run at every step."""
    return FlatAdam(
        parameters,
        settings.learning_rate,
        weight_decay=settings.weight_decay,
        decoupled=settings.optimiser == "adamw",
    )


def critic_optimiser(parameters: Iterable[nn.Parameter], learning_rate: float) -> FlatAdam:
    """Build Adam with the betas usual for critics, (0.5, 0.9)."""
    return FlatAdam(parameters, learning_rate, betas=(0.5, 0.9))


def schedule(settings: Training, iteration: int, steps: int) -> float:
    """Return the factor on the peak learning rate at step ``iteration`` (counted from 0).

    A linear warm-up, then constant or a cosine down to 1 %.
    """
    rise = min(1.0, (iteration + 1) / (settings.warm_up + 1))
    if settings.schedule == "constant":
        return rise
    span = max(1, steps - settings.warm_up)
    along = min(1.0, max(0.0, (iteration - settings.warm_up) / span))
    return rise * (_FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * along)))


class Average:
    """Exponential moving average (EMA) of a module's floating-point state, with start-up correction.

    ``decay`` applies to a step at the peak learning rate. A smaller step gets a proportionally smaller
    weight, so that the average covers the same distance in weight space when the schedule has slowed the
    weights down.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.state = {k: v.detach().clone() for k, v in module.state_dict().items()}

    def update(self, module: nn.Module, factor: float = 1.0) -> None:
        """Move the average towards the module's state after a step at ``factor`` times the peak rate."""
        self.updates += 1
        decay = min(1 - factor * (1 - self.decay), (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if value.is_floating_point():
                    self.state[name].lerp_(value, 1 - decay)
                else:
                    self.state[name].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates and the average, for checkpoints."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore the number of updates and the average that `state_dict` returned."""
        self.updates = saved["updates"]
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


def make_average(module: nn.Module, decay: float) -> Average | None:
    """Return a moving average that starts at the module's state; None for a decay of 0."""
    return Average(module, decay) if decay > 0 else None
