"""A fully connected network whose output d depends only on the inputs before d, by masks on its weights.

degrees   an input has its position in the order, 1 … D; a hidden unit k has a degree m_k between 1 and D − 1
          (from 0 where there is a context: units that depend on the context alone)
hidden    a unit k' reads unit k where m_k' ≥ m_k
output    output d reads unit k where d > m_k, strictly: output d does not depend on input d
variants  sets of masks for several orders (order-agnostic) and several sets of hidden degrees
          (connectivity-agnostic), drawn once; a call uses one
Source: Germain, Gregor, Murray & Larochelle 2015, MADE: Masked Autoencoder for Distribution Estimation,
arXiv:1502.03509, equations (8), (9) and (13), sections 4.2 and 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedNetwork(nn.Module):
    """MADE: x (n, D), c (n, C) -> (n, D, P), P parameters per component, given the components before it.

    Parameters
    ----------
    features, outputs, context : D, P and C (0 for none).
    hidden, activation : sizes of the hidden layers, and the module between them.
    orders : 1 for the natural order; otherwise the number of random orders.
    connectivities : number of sets of hidden degrees for each order.
    categories : number of categories of each component, 0 for a quantity: a categorical component enters as
        one indicator for each category. Empty: all components are quantities.

    Attributes
    ----------
    places : (S, D), the position 0 … D − 1 of each component in the order of each of the S variants.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        context: int,
        hidden: Sequence[int],
        activation: type[nn.Module],
        *,
        orders: int = 1,
        connectivities: int = 1,
        categories: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.features, self.outputs = features, outputs
        self.categories = tuple(categories)
        self.activation, self.natural = activation(), orders == 1
        sizes = [sum(count or 1 for count in self.categories) or features, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.last = nn.Linear(hidden[-1], features * outputs)
        self.seen = nn.Linear(context, hidden[0], bias=False) if context else None
        self._draw_masks(list(hidden), 0 if context else 1, orders, connectivities)

    def _draw_masks(self, hidden: list[int], least: int, orders: int, connectivities: int) -> None:
        natural = torch.arange(self.features)
        places, masks = [], [[] for _ in range(len(hidden) + 1)]
        for _ in range(orders):
            place = natural if orders == 1 else torch.randperm(self.features)
            for _ in range(connectivities):
                degrees = [place + 1]
                degrees += [self._degrees(width, least, random=connectivities > 1) for width in hidden]
                inputs = torch.tensor([count or 1 for count in self.categories or [1] * self.features])
                below_each = [degrees[0].repeat_interleave(inputs), *degrees[1:-1]]
                for layer, (below, above) in enumerate(zip(below_each, degrees[1:], strict=True)):
                    masks[layer].append(above[:, None] >= below[None, :])
                strict = degrees[0][:, None] > degrees[-1][None, :]
                masks[-1].append(strict.repeat_interleave(self.outputs, 0))
                places.append(place)
        self.register_buffer("places", torch.stack(places))
        for layer, parts in enumerate(masks):
            self.register_buffer(f"mask_{layer}", torch.stack(parts))
            if layer < len(hidden) and not torch.stack(parts).any():  # a single component has none before it
                self.layers[layer].weight.requires_grad_(False)

    def _degrees(self, width: int, least: int, *, random: bool) -> Tensor:
        """Return the degrees (width,) of a hidden layer's units: ``least`` … D − 1, repeated cyclically.

        With ``random``, every possible degree occurs once and the remaining units have random degrees.
        """
        most = self.features - 1
        count = max(1, most - min(least, most) + 1)
        degrees = min(least, most) + torch.arange(width) % count
        if random and width > count:
            degrees[count:] = min(least, most) + torch.randint(count, (width - count,))
        return degrees

    @property
    def variants(self) -> int:
        return len(self.places)

    def sequence(self, variant: int) -> Sequence[int]:
        """Return the indices of the components, the first in the order of ``variant`` first."""
        # the natural order does not depend on a buffer, so that it can be traced
        return range(self.features) if self.natural else self.places[variant].argsort().tolist()

    def _inputs(self, x: Tensor) -> Tensor:
        """Return x (n, D) with an indicator for each category in place of categorical components."""
        if not self.categories:
            return x
        columns = []
        for i, count in enumerate(self.categories):
            column = x[..., i : i + 1]
            columns.append((column == torch.arange(count).to(x)).to(x.dtype) if count else column)
        return torch.cat(columns, -1)

    def forward(self, x: Tensor, c: Tensor | None, variant: int) -> Tensor:
        x = self._inputs(x)
        for number, layer in enumerate(self.layers):
            weight = layer.weight * getattr(self, f"mask_{number}")[variant]
            x = functional.linear(x, weight, layer.bias)
            if number == 0 and self.seen is not None:
                x = x + self.seen(c)
            x = self.activation(x)
        weight = self.last.weight * getattr(self, f"mask_{len(self.layers)}")[variant]
        return functional.linear(x, weight, self.last.bias).unflatten(-1, (self.features, self.outputs))


class NormalMixture:
    """Distribution of one component: a mixture of K normals, or one normal for K = 1.

    log p(x) = log Σ_k w_k N(x; μ_k, s_k²), log s within ±`REACH`.
    """

    REACH = 6.0

    def __init__(self, components: int) -> None:
        self.components, self.outputs = components, 3 * components if components > 1 else 2
        #: standard normal numbers per draw
        self.numbers = 1 if components == 1 else 2

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split parameters (…, P) into log w, μ and log s of the K normals, each (…, K)."""
        parts = parameters.unflatten(-1, (-1, self.components))
        log_weights = torch.log_softmax(parts[..., 2, :], -1) if self.components > 1 else 0 * parts[..., 0, :]
        return log_weights, parts[..., 0, :], self.REACH * torch.tanh(parts[..., 1, :] / self.REACH)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Parameters (…, P), x (…) -> log p(x) (…) in nats."""
        log_weights, mean, log_scale = self._split(parameters)
        white = (x[..., None] - mean) * (-log_scale).exp()
        return torch.logsumexp(log_weights - log_scale - 0.5 * (white.square() + math.log(2 * math.pi)), -1)

    def draw(self, parameters: Tensor, z: Tensor) -> Tensor:
        """Map standard normal z (n, numbers) to samples x (n,) of the mixture with parameters (n, P)."""
        log_weights, mean, log_scale = self._split(parameters)
        each = mean + log_scale.exp() * z[:, :1]
        if self.components == 1:
            return each[:, 0]
        below = log_weights.exp().cumsum(-1)[:, :-1] <= torch.special.ndtr(z[:, 1:])
        return (each * functional.one_hot(below.sum(-1), self.components)).sum(-1)


class Categories:
    """Categorical distribution of one component on 0, 1, … C − 1, given by C logits; binary for C = 2."""

    numbers = 1

    def __init__(self, categories: int = 2) -> None:
        self.outputs = categories

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Logits (…, C), x (…) whole numbers as floats -> log p(x) (…) in nats; −∞ for any other x."""
        category = functional.one_hot(x.round().clamp(0, self.outputs - 1).long(), self.outputs)
        log_prob = (torch.log_softmax(parameters, -1) * category).sum(-1)
        return log_prob.masked_fill(x != category.argmax(-1), -math.inf)

    def draw(self, parameters: Tensor, z: Tensor) -> Tensor:
        """Map standard normal z (n, 1) to samples x (n,) of the distribution with logits (n, C)."""
        below = torch.softmax(parameters, -1).cumsum(-1)[:, :-1] <= torch.special.ndtr(z[:, :1])
        return below.sum(-1).to(z.dtype)
