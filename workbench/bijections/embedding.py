"""Embedding of an observation: what a conditional network reads instead of the bare y.

mlp              h = f(y)
convolution_1d   y as a series of L = M / C values of C channels; convolutions along it, strided while it is
                 long; h = A · (what is left, end to end) + b
deep_set         y as a set of L elements of C components; h = ρ( 1/L Σ_j φ(y_j) ): the order does not matter
phase_free       y as L vectors of C complex numbers, real and imaginary part in turn;
                 h = f(N(c_i c̄_j)), readings c = W (s·y + t) of each vector, N the layer norm: where all s are
                 alike and t is zero, as they begin, h does not know of a phase that turns a whole vector
Source: Ardizzone et al. 2019, Guided Image Generation with Conditional Invertible Neural Networks,
arXiv:1907.02392 (the conditioning network); Zaheer et al. 2017, Deep Sets, arXiv:1703.06114;
Radev et al. 2020, BayesFlow, arXiv:2003.06281 (summary networks).

It is trained together with the network that reads it. C = 1 where every component stands for itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from zuko.nn import MLP

KINDS = ("none", "mlp", "convolution_1d", "deep_set", "phase_free")
#: below this length a series is not shortened any further
_SHORT = 8
#: readings of a complex vector, at most: their products are as many as their square
_READINGS = 12


class DeepSet(nn.Module):
    """y (n, L · C), element after element -> h (n, F), whatever the order of the elements.

    Parameters
    ----------
    channels : C, components of one element.
    features : F.
    network : hidden sizes and activation of φ and of ρ, passed to zuko's ``MLP``.
    """

    def __init__(self, channels: int, features: int, network: dict[str, Any]) -> None:
        super().__init__()
        width = network["hidden_features"][-1]
        self.channels = channels
        self.element = MLP(channels, width, **network)
        self.whole = MLP(width, features, **network)

    def forward(self, y: Tensor) -> Tensor:
        elements = y.unflatten(-1, (-1, self.channels))
        return self.whole(self.element(elements).mean(-2))


class Convolution1d(nn.Module):
    """y (n, L · C), time after time -> h (n, F); neighbours in time are read together.

    Parameters
    ----------
    length, channels : L and C.
    features : F.
    network : its hidden sizes are the channels of the layers.
    """

    def __init__(self, length: int, channels: int, features: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.channels = channels
        layers: list[nn.Module] = []
        inside = channels
        for width in network["hidden_features"]:
            stride = 2 if length > _SHORT else 1
            layers += [nn.Conv1d(inside, width, 3, stride=stride, padding=1), network["activation"]()]
            inside, length = width, (length - 1) // stride + 1
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(inside * length, features)

    def forward(self, y: Tensor) -> Tensor:
        series = y.unflatten(-1, (-1, self.channels)).transpose(-1, -2)
        return self.last(torch.flatten(self.layers(series), -2))


class PhaseFree(nn.Module):
    """y (n, 2 · L · C), complex vector after complex vector -> h (n, F), by products of readings of each.

    Parameters
    ----------
    length, channels : L and C.
    features : F.
    network : hidden sizes and activation of f, passed to zuko's ``MLP``.
    """

    def __init__(self, length: int, channels: int, features: int, network: dict[str, Any]) -> None:
        super().__init__()
        count = min(channels, _READINGS)
        self.scale = nn.Parameter(torch.ones(length, channels, 2))
        self.shift = nn.Parameter(torch.zeros(length, channels, 2))
        self.reading = nn.Parameter(torch.randn(2, length, channels, count) * channels**-0.5)
        products = length * count * count
        self.norm = nn.LayerNorm(products)
        self.network = MLP(products, features, normalize=True, **network)

    def products(self, y: Tensor) -> Tensor:
        """Re c_i c̄_j + Im c_i c̄_j of all vectors (n, L · R²): the first is even in i and j, the second odd:
        nothing of either is lost."""
        vectors = self.scale * y.unflatten(-1, self.scale.shape) + self.shift
        real, imaginary = vectors.unbind(-1)
        # (w + iv)ᵀ y by real products: networks are exported without complex numbers
        w, v = self.reading
        r = torch.einsum("...lk,lkr->...lr", real, w) - torch.einsum("...lk,lkr->...lr", imaginary, v)
        i = torch.einsum("...lk,lkr->...lr", real, v) + torch.einsum("...lk,lkr->...lr", imaginary, w)
        r, i = r[..., None], i[..., None]
        return torch.flatten((r + i) * r.mT + (i - r) * i.mT, -3)

    def forward(self, y: Tensor) -> Tensor:
        return self.network(self.norm(self.products(y)))


def embedding_network(kind: str, context: int, *, channels: int, features: int,
                      network: dict[str, Any]) -> nn.Module | None:
    """The embedding of y (n, M), or None where there is nothing to embed.

    Parameters
    ----------
    kind : one of `KINDS`.
    context : M. ``channels`` must divide it (for ``mlp`` it is not used).
    features : number of components that the embedding has.
    """
    if kind == "none" or context == 0:
        return None
    if kind == "mlp":
        return MLP(context, features, **network)
    if context % (channels * (2 if kind == "phase_free" else 1)):
        raise ValueError(f"{context} components cannot be read as elements of {channels}")
    if kind == "phase_free":
        return PhaseFree(context // (2 * channels), channels, features, network)
    if kind == "deep_set":
        return DeepSet(channels, features, network)
    return Convolution1d(context // channels, channels, features, network)
