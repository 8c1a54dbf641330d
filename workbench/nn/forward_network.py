"""Forward network: a plain perceptron from x to y, the trained map that `workbench.inversion` inverts.

y = shift_y + scale_y · MLP((x − shift_x) / scale_x);  smooth with tanh or SiLU, for inversion by gradients
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from workbench.core.variable import Variable

ACTIVATIONS = {"tanh": nn.Tanh, "silu": nn.SiLU, "relu": nn.ReLU}


class ForwardNetwork(nn.Module):
    """Perceptron x (n, D) -> y (n, M), both in data units.

    Attributes
    ----------
    x, y : variables of the problem that it was trained on.
    window : plotted range (low, high) of each component of x.
    held_out_error : (M,) root mean square error on pairs outside the training data, in the units of y.
    """

    def __init__(self, features: int, outputs: int, *, width: int, depth: int, activation: str) -> None:
        super().__init__()
        kind, sizes = ACTIVATIONS[activation], [features, *[width] * depth]
        layers: list[nn.Module] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(before, after), kind()]
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
        for name, size in (("x", features), ("y", outputs)):
            self.register_buffer(f"shift_{name}", torch.zeros(size))
            self.register_buffer(f"scale_{name}", torch.ones(size))
        self.x: tuple[Variable, ...] = ()
        self.y: tuple[Variable, ...] = ()
        self.window: tuple[tuple[float, float], ...] = ()
        self.held_out_error: tuple[float, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        output = self.network((x.to(self.shift_x.dtype) - self.shift_x) / self.scale_x)
        return self.shift_y + self.scale_y * output
