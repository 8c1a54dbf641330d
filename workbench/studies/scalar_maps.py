"""Affine maps of one variable that the study `disjoint_supports` trains."""

# ruff: noqa: TID253  (modules; imported by the function that builds them)

from __future__ import annotations

import torch
from torch import Tensor, nn


class AffineStack(nn.Module):
    """x ← (x − t_k) e^{−s_k}, k = 1 … blocks, from z (n, 1) to x (n, 1); |s_k| stays below 2.

    (s_k, t_k) = W_k relu(b_k) + c_k: the part of a coupling's network with two hidden layers that acts where
    its input has no component. The first layer gives relu(0) = 0 with gradient zero and stays there.
    """

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        bound = width**-0.5  # PyTorch's for the biases of such layers; the program sets the weights to 0.02
        self.hidden = nn.Parameter(torch.empty(blocks, width).uniform_(-bound, bound))
        self.weight = nn.Parameter(0.02 * torch.randn(blocks, 2, width))
        self.bias = nn.Parameter(torch.empty(blocks, 2).uniform_(-bound, bound))

    def forward(self, z: Tensor) -> Tensor:
        outputs = torch.einsum("kow,kw->ko", self.weight, self.hidden.relu()) + self.bias
        for s, t in outputs:
            z = (z - t) * torch.exp(-2 * 0.636 * torch.atan(s))
        return z


class Affine(nn.Module):
    """x = c + 8 t + e^s (z − c) from z (n, 1) to x (n, 1), with parameters s and t; c is the centre of the
    latent's interval.

    Adam's steps are equally long in t and s; the factor 8 lets t cross the distance while s stays small.
    """

    UNIT = 8.0

    def __init__(self, centre: float) -> None:
        super().__init__()
        self.centre = centre
        self.scale, self.shift = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.centre + self.UNIT * self.shift + self.scale.exp() * (z - self.centre)
