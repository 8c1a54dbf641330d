"""A fully connected network with its Jacobian: values and derivatives are propagated forward together.

value     h_0 = W_0 x + V c + b_0,  h_l = W_l φ(h_{l−1}) + b_l,  g = the last h
Jacobian  J v = W_L φ'(h_{L−1}) ⊙ … W_1 (φ'(h_0) ⊙ (W_0 v)): two products per layer for any direction v
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

from workbench.nn.choices import CONTRACTIVE_ACTIVATIONS, SMOOTH_ACTIVATIONS


@dataclass(frozen=True)
class Activation:
    """An activation with its derivative: a call returns both; ``value`` alone costs half of that.

    Parameters
    ----------
    value : pre-activation -> value.
    with_slope : pre-activation -> value and derivative.
    """

    value: Callable[[Tensor], Tensor]
    with_slope: Callable[[Tensor], tuple[Tensor, Tensor]]

    def __call__(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return self.with_slope(h)


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
    return value / 1.1, slope / 1.1  # the slope of x σ(x) reaches 1.0998


_ACTIVATIONS = {
    "elu": Activation(functional.elu, _elu),
    "lipswish": Activation(lambda h: functional.silu(h) / 1.1, _lipswish),
    "silu": Activation(functional.silu, _silu),
    "softplus": Activation(functional.softplus, _softplus),
    "tanh": Activation(torch.tanh, _tanh),
}
#: Smooth activations, since log-determinants are computed from slopes; contractive: slopes of at most one.
CONTRACTIVE: dict[str, Activation] = {name: _ACTIVATIONS[name] for name in CONTRACTIVE_ACTIVATIONS}
SMOOTH: dict[str, Activation] = {name: _ACTIVATIONS[name] for name in SMOOTH_ACTIVATIONS}


@dataclass(frozen=True)
class Slope:
    """The Jacobian ∂g/∂x at n points in factored form, for products with vectors."""

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
    """Fully connected network g with its Jacobian in x: x (n, D), c (n, M) -> (n, D).

    Parameters
    ----------
    features, context : D and M (0 for none); the Jacobian is with respect to x, not to c.
    hidden : units of the hidden layers, at least one.
    activation : a smooth one, from `SMOOTH` or `CONTRACTIVE`.
    """

    def __init__(self, features: int, context: int, hidden: Sequence[int], activation: Activation) -> None:
        super().__init__()
        sizes = [features, *hidden, features]
        self.activation = activation
        layers = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.matrices = nn.ParameterList(_uniform((out, inside), inside) for inside, out in layers)
        self.biases = nn.ParameterList(_uniform((out,), inside) for inside, out in layers)
        self.seen = nn.Linear(context, sizes[1], bias=False) if context else None

    def linearise(
        self, x: Tensor, c: Tensor | None, matrices: Sequence[Tensor], biases: Sequence[Tensor]
    ) -> tuple[Tensor, Slope]:
        """Return g(x, c) (n, D) and its Jacobian in x, for the given matrices and biases of the layers."""
        h, derivatives = self._first(x, c, matrices, biases), []
        for matrix, bias in zip(matrices[1:], biases[1:], strict=True):
            value, derivative = self.activation(h)
            derivatives.append(derivative)
            h = value @ matrix.mT + bias
        return h, Slope(matrices, derivatives)

    def value(
        self, x: Tensor, c: Tensor | None, matrices: Sequence[Tensor], biases: Sequence[Tensor]
    ) -> Tensor:
        """Return g(x, c) (n, D) without the Jacobian, for the given matrices and biases of the layers."""
        return self.onwards(self._first(x, c, matrices, biases), matrices, biases)

    def onwards(self, h: Tensor, matrices: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
        """Evaluate the rest of the network: g (n, D) from the first layer's pre-activation h (n, H)."""
        for matrix, bias in zip(matrices[1:], biases[1:], strict=True):
            h = functional.linear(self.activation.value(h), matrix, bias)
        return h

    def _first(
        self, x: Tensor, c: Tensor | None, matrices: Sequence[Tensor], biases: Sequence[Tensor]
    ) -> Tensor:
        h = functional.linear(x, matrices[0], biases[0])
        return h if self.seen is None else h + self.seen(c)


def _uniform(shape: tuple[int, ...], fan: int) -> nn.Parameter:
    """Parameter initialised uniformly within ±1/√fan, as in torch's linear layers."""
    return nn.Parameter((2 * torch.rand(shape) - 1) / math.sqrt(fan))
