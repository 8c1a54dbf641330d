"""A plain forward network: the trained map from x to y that there is to invert.

network   y = shift_y + scale_y · MLP((x − shift_x) / scale_x), smooth, so that its gradient is of use
training  mean squared error over drawn pairs with Adam and a falling learning rate. With noise in y this is
          the mean of y given x.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import DataError, SpecError

_ACTIVATIONS = {"tanh": nn.Tanh, "silu": nn.SiLU, "relu": nn.ReLU}
_BATCH, _HELD_OUT = 256, 0.1


class ForwardNetwork(nn.Module):
    """x (n, D) -> y (n, M), in data units.

    ``x``, ``y``, ``window`` are the variables and the window of what it was trained on; ``held_out_error``
    (M,) is the root mean square error on pairs that it has not seen, in the units of y.
    """

    def __init__(self, features: int, outputs: int, *, width: int, depth: int, activation: str) -> None:
        super().__init__()
        kind, sizes = _ACTIVATIONS[activation], [features, *[width] * depth]
        layers: list[nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(before, after), kind()]
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
        for name, size in (("x", features), ("y", outputs)):
            self.register_buffer(f"shift_{name}", torch.zeros(size))
            self.register_buffer(f"scale_{name}", torch.ones(size))
        self.x: tuple[Any, ...] = ()
        self.y: tuple[Any, ...] = ()
        self.window: tuple = ()
        self.held_out_error: tuple[float, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.network((x.to(self.shift_x.dtype) - self.shift_x) / self.scale_x)
        return self.shift_y + self.scale_y * inner


def train_forward(
    problem: Any,
    *,
    samples: int = 10_000,
    steps: int = 1500,
    width: int = 64,
    depth: int = 2,
    activation: str = "tanh",
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> ForwardNetwork:
    """A forward network trained on pairs of a problem with an observation; frozen when it is returned.

    Raises `DataError` where the problem has no y, and `SpecError` for settings that make no network.
    """
    if not problem.y:
        raise DataError(
            f"'{getattr(problem, 'key', 'this problem')}' has nothing to predict",
            expected="a problem with an observation y",
            suggestion="choose an inverse problem, for instance sine_wave",
        )
    if activation not in _ACTIVATIONS or min(samples, steps, width, depth) < 1:
        raise SpecError(
            "No network can be trained like this",
            expected=f"activation {', '.join(_ACTIVATIONS)}; samples, steps, width and depth of at least 1",
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = problem.draw(samples, generator)
    cut = max(1, round(_HELD_OUT * len(drawn)))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        made = ForwardNetwork(
            drawn.x.shape[1], drawn.y.shape[1], width=width, depth=depth, activation=activation
        ).double()
        _standardise(made, drawn.x[cut:], drawn.y[cut:])
        _fit(made, drawn.x[cut:], drawn.y[cut:], steps, learning_rate, generator)
    made.requires_grad_(False).eval()
    made.x, made.y, made.window = tuple(problem.x), tuple(problem.y), tuple(problem.window)
    error = (made(drawn.x[:cut]) - drawn.y[:cut]).square().mean(0).sqrt()
    made.held_out_error = tuple(float(e) for e in error)
    return made


def _standardise(network: ForwardNetwork, x: Tensor, y: Tensor) -> None:
    for name, values in (("x", x), ("y", y)):
        scale = values.std(0, unbiased=False)
        getattr(network, f"shift_{name}").copy_(values.mean(0))
        getattr(network, f"scale_{name}").copy_(torch.where(scale > 1e-12, scale, torch.ones_like(scale)))


def _fit(network: ForwardNetwork, x: Tensor, y: Tensor, steps: int, rate: float, generator) -> None:
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    batch = min(_BATCH, len(x))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = torch.randint(len(x), (batch,), generator=generator)
        loss = ((network(x[rows]) - y[rows]) / network.scale_y).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
