"""Training of the forward network that is then inverted.

The loss is the mean squared error over pairs of a problem, with Adam and a learning rate that falls along a
cosine. With noise in y the network learns the mean of y given x.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import DataError, SpecError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.numbers import checked_seed, positive_number
from workbench.core.scale import column_scale

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.nn.forward_network import ForwardNetwork
    from workbench.problems.base import Problem

#: Batch size, and share of the pairs that are held out to measure the error.
_BATCH, _HELD_OUT = 256, 0.1


@public
def train_forward(
    problem: Problem,
    *,
    samples: int = 10_000,
    steps: int = 1500,
    width: int = 64,
    depth: int = 2,
    activation: str = "tanh",
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> ForwardNetwork:
    """Train a network y = f(x) on ``samples`` pairs of a problem with an observation, and freeze it.

    Its ``held_out_error`` is the root mean squared error of each component of y. Raises `DataError` where the
    problem has no y, and `SpecError` for impossible settings.
    """
    from workbench.nn.forward_network import ACTIVATIONS, ForwardNetwork

    if not problem.y:
        raise DataError(
            f"'{getattr(problem, 'key', 'this problem')}' has nothing to predict",
            expected="a problem with an observation y",
            suggestion="choose an inverse problem, for instance sine_wave",
        )
    if activation not in ACTIVATIONS or min(samples, steps, width, depth) < 1:
        raise SpecError(
            "No network can be trained like this",
            expected=f"activation {', '.join(ACTIVATIONS)}; samples, steps, width and depth of at least 1",
        )
    seed, learning_rate = checked_seed(seed), positive_number(learning_rate, "learning rate")
    generator = torch.Generator().manual_seed(seed)
    pairs = problem.draw(samples, generator)
    n_held_out = max(1, round(_HELD_OUT * len(pairs)))
    with global_numbers(seed), torch.enable_grad():
        network = ForwardNetwork(
            pairs.x.shape[1], pairs.y.shape[1], width=width, depth=depth, activation=activation
        ).double()
        _standardise(network, pairs.x[n_held_out:], pairs.y[n_held_out:])
        _fit(network, pairs.x[n_held_out:], pairs.y[n_held_out:], steps, learning_rate, generator)
    network.requires_grad_(False).eval()
    network.x, network.y, network.window = tuple(problem.x), tuple(problem.y), tuple(problem.window)
    error = (network(pairs.x[:n_held_out]) - pairs.y[:n_held_out]).square().mean(0).sqrt()
    network.held_out_error = tuple(float(e) for e in error)
    return network


def _standardise(network: ForwardNetwork, x: Tensor, y: Tensor) -> None:
    """Set the network's shifts and scales of x (n, D) and y (n, M) to means and standard deviations."""
    for name, values in (("x", x), ("y", y)):
        getattr(network, f"shift_{name}").copy_(values.mean(0))
        getattr(network, f"scale_{name}").copy_(column_scale(values))


def _fit(
    network: ForwardNetwork, x: Tensor, y: Tensor, steps: int, rate: float, generator: torch.Generator
) -> None:
    """Minimise the mean squared error of standardised y, with Adam and a cosine learning rate."""
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
