"""A fully connected network that knows its Jacobian: values and slopes go forward side by side.

value     h_0 = W_0 x + V c + b_0,  h_l = W_l φ(h_{l−1}) + b_l,  g = the last h
Jacobian  J v = W_L φ'(h_{L−1}) ⊙ … W_1 (φ'(h_0) ⊙ (W_0 v)): for any direction v two products a layer
The Jacobian is made of matrix products alone; its gradient needs one backward pass like any other.
Source: Griewank & Walther 2008, Evaluating Derivatives, chapter 3 (forward mode).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Pre-activation -> value and derivative.
Activation = Callable[[Tensor], tuple[Tensor, Tensor]]


def _elu(h: Tensor) -> tuple[Tensor, Tensor]:
    return functional.elu(h), h.clamp(max=0.0).exp()


def _tanh(h: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.tanh(h)
    return value, 1 - value.square()


def _softplus(h: Tensor) -> tuple[Tensor, Tensor]:
    return functional.softplus(h), torch.sigmoid(h)


def _silu(h: Tensor) -> tuple[Tensor, Tensor]:
    gate = torch.sigmoid(h)
    return h * gate, gate * (1 + h * (1 - gate))


def _lipswish(h: Tensor) -> tuple[Tensor, Tensor]:
    value, slope = _silu(h)
    return value / 1.1, slope / 1.1   # the slope of x σ(x) reaches 1.0998


#: All of them smooth, for log-determinants are made of slopes; the first table has none above one.
CONTRACTIVE: dict[str, Activation] = {
    "lipswish": _lipswish, "elu": _elu, "tanh": _tanh, "softplus": _softplus}
SMOOTH: dict[str, Activation] = {"silu": _silu, "elu": _elu, "tanh": _tanh, "softplus": _softplus}


@dataclass(frozen=True)
class Slope:
    """The Jacobian ∂g/∂x at n points, as something to multiply with."""

    weights: Sequence[Tensor]
    derivatives: Sequence[Tensor]

    def product(self, directions: Tensor) -> Tensor:
        """Rows v (n, P, D) -> rows J v (n, P, D)."""
        for weight, derivative in zip(self.weights[:-1], self.derivatives, strict=True):
            directions = (directions @ weight.mT) * derivative[:, None, :]
        return directions @ self.weights[-1].mT

    def matrix(self) -> Tensor:
        """J (n, D, D), row i the gradient of g_i."""
        first = self.weights[0]
        basis = torch.eye(first.shape[1], dtype=first.dtype, device=first.device)
        return self.product(basis.expand(self.derivatives[0].shape[0], -1, -1)).mT


class SmoothNetwork(nn.Module):
    """g: x (n, D), c (n, M) -> (n, D).

    Parameters
    ----------
    features, context : D and M (0 for none); c may be anything that is not to be differentiated for.
    hidden : units of the hidden layers, at least one.
    activation : a smooth one, from the tables above.
    """

    def __init__(self, features: int, context: int, hidden: Sequence[int], activation: Activation) -> None:
        super().__init__()
        sizes = [features, *hidden, features]
        self.activation = activation
        layers = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.matrices = nn.ParameterList(_uniform((out, inside), inside) for inside, out in layers)
        self.biases = nn.ParameterList(_uniform((out,), inside) for inside, out in layers)
        self.seen = nn.Linear(context, sizes[1], bias=False) if context else None

    def linearise(self, x: Tensor, c: Tensor | None, matrices: Sequence[Tensor],
                  biases: Sequence[Tensor]) -> tuple[Tensor, Slope]:
        """g(x, c) and its slope in x, with matrices and biases that may have been held to a norm."""
        h = x @ matrices[0].mT + biases[0]
        if self.seen is not None:
            h = h + self.seen(c)
        derivatives = []
        for matrix, bias in zip(matrices[1:], biases[1:], strict=True):
            value, derivative = self.activation(h)
            derivatives.append(derivative)
            h = value @ matrix.mT + bias
        return h, Slope(matrices, derivatives)


def _uniform(shape: tuple[int, ...], fan: int) -> nn.Parameter:
    """Uniform within ±1/√fan, as torch initialises its linear layers."""
    return nn.Parameter((2 * torch.rand(shape) - 1) / math.sqrt(fan))
