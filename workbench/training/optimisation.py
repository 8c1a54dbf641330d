"""Optimiser, learning-rate schedule and moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from workbench.training.settings import Training

_FLOOR = 0.01


def make_optimiser(
    parameters, settings: Training, *, learning_rate: float | None = None
) -> torch.optim.Optimizer:
    """Adam or AdamW as the settings say; its momenta are the objective's, and may change with it."""
    parameters, rate = list(parameters), settings.learning_rate if learning_rate is None else learning_rate
    if settings.optimiser == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=settings.weight_decay)
    # small networks spend a tenth of a step in calls of the optimiser unless they are one
    fused = all(p.device.type == "cpu" for p in parameters)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=settings.weight_decay, fused=fused or None)


def critic_optimiser(parameters, learning_rate: float) -> torch.optim.Optimizer:
    """Adam with the momentum usual for critics, betas (0.5, 0.9)."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(0.5, 0.9))


def schedule(settings: Training, iteration: int, steps: int) -> float:
    """Factor on the peak learning rate before step ``iteration`` (counted from 0): warm-up, then cosine
    down to 1 %."""
    rise = min(1.0, (iteration + 1) / (settings.warm_up + 1))
    if settings.schedule == "constant":
        return rise
    span = max(1, steps - settings.warm_up)
    along = min(1.0, max(0.0, (iteration - settings.warm_up) / span))
    return rise * (_FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * along)))


class Average:
    """Exponential moving average (EMA) of a module's floating-point state, with the usual start-up
    correction.

    ``decay`` is that of a step at the peak of the learning rate. Smaller steps count for less, so that the
    average goes over the same way of the weights when they have become slow: what makes them stray takes as
    many of the smaller steps longer to come round.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.state = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, factor: float = 1.0) -> None:
        """Take up the module's state after a step whose learning rate was ``factor`` of its peak."""
        self.updates += 1
        decay = min(1 - factor * (1 - self.decay), (1 + self.updates) / (10 + self.updates))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    def state_dict(self) -> dict:
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: dict) -> None:
        self.updates = saved["updates"]
        for name, value in saved["state"].items():
            self.state[name].copy_(value)


def make_average(module: nn.Module, decay: float) -> Average | None:
    """The moving average of a module's state, or None for a decay of 0."""
    return Average(module, decay) if decay > 0 else None
