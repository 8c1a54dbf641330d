"""Embedding networks of an observation y, whose output a conditional network reads instead of y itself.

mlp              h = f(y)
convolution_1d   y as a series of L = M / C values of C channels; convolutions along it, strided while it is
                 long; h = A · (the result, flattened) + b
deep_set         y as a set of L elements of C components; h = ρ( 1/L Σ_j φ(y_j) ): the order does not matter
phase_free       y as L vectors of C complex numbers, real and imaginary part in turn;
                 h = f(c_i c̄_j), coefficients c = Wᵀ y of each vector, f a gated network: h is invariant to
                 the phase of a whole vector. W: the eigenvectors of the cross-spectral density matrix
                 E[ȳ yᵀ] of the training data. The products of the strongest coefficients of all vectors are
                 used, a fixed number in all, and standardised
Source: Ardizzone et al. 2019, Guided Image Generation with Conditional Invertible Neural Networks,
arXiv:1907.02392 (the conditioning network); Zaheer et al. 2017, Deep Sets, arXiv:1703.06114;
Radev et al. 2020, BayesFlow, arXiv:2003.06281 (summary networks); Niu, Reeves & Gerstoft 2017, Source
localization in an ocean waveguide using supervised machine learning, JASA 142, 1176 (the cross-spectral
density matrix as a network's input); Jayakumar et al. 2020, Multiplicative Interactions and Where to Find
Them, ICLR, and Shazeer 2020, GLU Variants Improve Transformer, arXiv:2002.05202 (products of two layers).

An embedding is trained together with the network that reads it. With C = 1 every component stands for itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from zuko.nn import MLP

from workbench.core.scale import column_scale

#: a series of this length or less is not shortened any further
_SHORT = 8
#: products used per complex vector, on average: the 14² of 14 coefficients
_PRODUCTS = 196
#: most rows of training data used for statistics
_ROWS = 20_000


class DeepSet(nn.Module):
    """Embedding of a set: y (n, L · C), element after element -> h (n, F), whatever the elements' order.

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
    """Embedding of a series by convolutions over time: y (n, L · C), the C channels of each time -> h (n, F).

    Parameters
    ----------
    length, channels : L and C.
    features : F.
    network : hidden sizes, here the channels of the convolutions, and activation.
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


class GatedNetwork(nn.Module):
    """A residual network whose blocks multiply the input by gates: v (n, P) -> h (n, F).

    u ← A v + a, then u ← u + D ((B σ(N(u)) + b) ⊙ (C v + c)) + d block after block, h = E σ(u) + e; N is the
    layer normalisation. There is one block per hidden size of ``network``; all have the first one's width.
    Every block reads v again through a gate that depends on u: where v holds products of a signal, a block
    can compare them with those of its current estimate.
    """

    def __init__(self, inputs: int, features: int, network: dict[str, Any]) -> None:
        super().__init__()
        sizes, self.activation = network["hidden_features"], network["activation"]()
        width = sizes[0]
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, features)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in sizes])
        self.gates = nn.ModuleList([nn.Linear(width, width) for _ in sizes])
        self.filters = nn.ModuleList([nn.Linear(inputs, width) for _ in sizes])
        self.blocks = nn.ModuleList([nn.Linear(width, width) for _ in sizes])

    def forward(self, v: Tensor) -> Tensor:
        u = self.first(v)
        for norm, gate, linear, block in zip(self.norms, self.gates, self.filters, self.blocks, strict=True):
            u = u + block(gate(self.activation(norm(u))) * linear(v))
        return self.last(self.activation(u))


class PhaseFree(nn.Module):
    """Phase-invariant embedding of complex vectors: y (n, 2 · L · C), one vector after another -> h (n, F).

    A network f reads products of two coefficients c = Wᵀ y of the same vector.

    Parameters
    ----------
    length, channels : L and C.
    features : F.
    network : hidden sizes and activation of f.

    The matrix W of the coefficients is random until `prepare` replaces it by the principal components of the
    training data. It is not learned, and neither are the moments by which the products are standardised.
    """

    def __init__(self, length: int, channels: int, features: int, network: dict[str, Any]) -> None:
        super().__init__()
        products = min(channels**2, _PRODUCTS) * length
        self.register_buffer("reading", torch.randn(2, length, channels, channels) * channels**-0.5)
        self.register_buffer("kept", torch.arange(products))
        self.register_buffer("shift", torch.zeros(products))
        self.register_buffer("scale", torch.ones(products))
        self.network = GatedNetwork(products, features, network)

    @torch.no_grad()
    def prepare(self, y: Tensor) -> None:
        """Compute W, the selection of products, and their moments from observations y (n, 2 · L · C)."""
        y = y[:_ROWS].double()
        length, channels = self.reading.shape[1:3]
        vectors = torch.view_as_complex(y.unflatten(-1, (length, channels, 2)).contiguous())
        spectral = torch.einsum("nlj,nlk->ljk", vectors.conj(), vectors) / len(y)
        strength, eigenvectors = torch.linalg.eigh(spectral)
        self.reading.copy_(torch.stack([eigenvectors.real, eigenvectors.imag]))
        # a product counts as much as the weaker of its two coefficients
        weaker = torch.minimum(strength[:, :, None], strength[:, None, :]).flatten()
        self.kept.copy_(weaker.topk(len(self.kept)).indices.sort().values)
        products = self.products(y.to(self.reading))
        self.shift.copy_(products.mean(0))
        self.scale.copy_(column_scale(products))

    def products(self, y: Tensor) -> Tensor:
        """Re c_i c̄_j + Im c_i c̄_j (n, P) for the selected pairs of coefficients (i, j) of the vectors in y.

        The real part is symmetric in i and j and the imaginary part antisymmetric, so that (i, j) and (j, i)
        together determine both.
        """
        vectors = y.unflatten(-1, (self.reading.shape[1], self.reading.shape[2], 2))
        real, imaginary = vectors.unbind(-1)
        # (w + iv)ᵀ y by real products: networks are exported without complex numbers
        w, v = self.reading
        r = torch.einsum("...lk,lkr->...lr", real, w) - torch.einsum("...lk,lkr->...lr", imaginary, v)
        i = torch.einsum("...lk,lkr->...lr", real, v) + torch.einsum("...lk,lkr->...lr", imaginary, w)
        r, i = r[..., None], i[..., None]
        return torch.flatten((r + i) * r.mT + (i - r) * i.mT, -3)[..., self.kept]

    def forward(self, y: Tensor) -> Tensor:
        return self.network((self.products(y) - self.shift) / self.scale)


def embedding_network(
    kind: str, context: int, *, channels: int, features: int, network: dict[str, Any]
) -> nn.Module | None:
    """Build the embedding of y (n, M); returns None for ``kind`` "none" and for M = 0.

    Parameters
    ----------
    kind : one of `workbench.nn.choices.EMBEDDINGS`.
    context : M. ``channels`` must divide it, and for ``phase_free`` twice that (``mlp`` does not use it).
    features : number of components of the embedding.
    network : hidden sizes and activation.
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
