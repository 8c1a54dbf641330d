"""A velocity field f(x, t, c): a network of the point, Fourier features of time, and the context.

Its divergence tr ∂f/∂x is exact and comes with the value (see smooth_network). Points that follow
dx/dt = f(x, t, c) change their log-density by −∫ tr ∂f/∂x dt on the way.
Source: Chen et al. 2018, Neural Ordinary Differential Equations, arXiv:1806.07366.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.nn.smooth_network import Activation, SmoothNetwork


class VelocityField(nn.Module):
    """Velocity field f(x, t, c) of a flow in continuous time, with its divergence.

    Parameters
    ----------
    features, context : D and M, the number of components of x and of c (M = 0 for none).
    hidden, activation : sizes of the network's hidden layers, and their activation.
    frequencies : number of Fourier features of time, which runs from 0 to 1.
    """

    def __init__(
        self, features: int, context: int, hidden: Sequence[int], activation: Activation, *, frequencies: int
    ) -> None:
        super().__init__()
        self.network = SmoothNetwork(features, context + 2 * frequencies, hidden, activation)
        self.register_buffer("waves", math.pi * torch.arange(1, frequencies + 1))

    def value(self, t: Tensor, x: Tensor, c: Tensor | None) -> Tensor:
        """Velocities f(x, t, c) (n, D).

        ``t`` is one time () for all points, or one per point (n,); c is (n, M), or (1, M) for all points.
        The contribution of a common time and context is computed once, as a bias of the first layer.
        """
        if t.dim() > 0:
            return self.network.value(x, self._inputs(t, x, c), *self._weights())
        network = self.network
        in_time, in_context = network.seen.weight.tensor_split((2 * len(self.waves),), dim=1)
        bias = network.biases[0] + functional.linear(self._in_time(t), in_time)
        if c is not None:
            bias = functional.linear(c, in_context, bias)
        if bias.dim() > 1 and len(bias) == 1:
            bias = bias[0]
        matrices, biases = self._weights()
        return network.onwards(torch.addmm(bias, x, matrices[0].mT), matrices, biases)

    def velocity(self, t: Tensor, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Velocities f(x, t, c) (n, D) and their divergence tr ∂f/∂x (n,)."""
        value, slope = self.network.linearise(x, self._inputs(t, x, c), *self._weights())
        return value, slope.matrix().diagonal(dim1=-2, dim2=-1).sum(-1)

    def _weights(self) -> tuple[list[Tensor], list[Tensor]]:
        return list(self.network.matrices), list(self.network.biases)

    def _inputs(self, t: Tensor, x: Tensor, c: Tensor | None) -> Tensor:
        """Network inputs besides the points: Fourier features of time and c, (n, 2 · frequencies + M)."""
        inputs = self._in_time(t).expand(x.shape[0], -1)
        return inputs if c is None else torch.cat((inputs, c.expand(x.shape[0], -1)), dim=-1)

    def _in_time(self, t: Tensor) -> Tensor:
        phase = t[..., None] * self.waves
        return torch.cat((phase.cos(), phase.sin()), dim=-1)
